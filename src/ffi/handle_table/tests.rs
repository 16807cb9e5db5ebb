//! Readers, writers and frees on all cores at once: every read is whole and belongs to its handle.

use std::mem::MaybeUninit;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bankhub_core::{Instant, Published, Secret, Timestamp, Token};

use super::*;
use crate::runtime::clock::Coarse;
use crate::runtime::published_token::TokenCopy;

const SENT: Timestamp = Timestamp {
    boottime: Instant::from_origin(Duration::from_secs(500)),
    realtime: Duration::from_secs(1_700_000_000),
};
const TIME: Coarse = Coarse { mono: 100_000_000_000, wall: 1_700_000_000_000_000_000 };

/// Publishes as a cache does: under its lock, and nothing after it is closed.
struct Value {
    published: &'static PublishedToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    generation: u64,
    closed: bool,
}

impl Value {
    fn new(published: &'static PublishedToken) -> Self {
        Self { published, state: Mutex::default() }
    }

    fn publish(&self, handle: Handle) {
        let mut state = self.state.lock().unwrap();
        if !state.closed {
            state.generation += 1;
            let (generation, ttl) = (state.generation, Duration::from_secs(600));
            let value = Secret::new(value(handle, generation));
            let token = Token { value, ttl, sent_at: SENT };
            let to_publish = Published { token: &token, generation, next_check_at: None, confirm_at: None };
            self.published.publish(Some(&to_publish), generation, TIME, SENT);
        }
    }

    fn withdraw(&self, closed: bool) {
        let mut state = self.state.lock().unwrap();
        if !state.closed {
            self.published.publish(None, state.generation, TIME, SENT);
            state.closed = closed;
        }
    }
}

/// The token of this value and generation. No other is equal, and the one before it has another length.
fn value(handle: Handle, generation: u64) -> String {
    let sign = format!("{:x}.{generation:x}.", handle.to_bits());
    sign.repeat((generation * 7 % 5 + 1) as usize)
}

/// Whether the handle has a token, which must be one that was written for it.
fn check(table: &'static HandleTable<Value>, handle: Handle) -> bool {
    let mut memory = [MaybeUninit::uninit(); _];
    let mut copy = TokenCopy::new(&mut memory);
    let Some(read) = table.published(handle).and_then(|published| published.read(handle.owner(), TIME, &mut copy))
    else {
        return false;
    };
    let text = str::from_utf8(copy.text()).expect("a token is text");
    assert_eq!(text, value(handle, read.generation));
    let published = table.published(handle).expect("it was read above");
    if let Some((text, read)) = published.read_to_string(handle.owner(), TIME) {
        assert_eq!(text, value(handle, read.generation));
    }
    true
}

/// The same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize % end
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it is about threads")]
fn reads_whole_tokens_of_the_right_handle_during_writes_and_frees() {
    static TABLE: HandleTable<Value> = HandleTable::new();
    let rounds = if cfg!(miri) { 20 } else { 100_000 };
    let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    // As many entries as threads that free: each frees its own value, and any thread may use any handle.
    let handles: Vec<_> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
    let any = |random: &mut Random| Handle::from_bits(handles[random.below(threads)].load(Relaxed));
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..threads {
            let (mut random, ended) = (Random(number as u64 + 1), &ended);
            scope.spawn(move || {
                let mut stale = any(&mut random);
                let mut found = 0;
                while !ended.load(Relaxed) {
                    found += u64::from(check(&TABLE, stale)) + u64::from(check(&TABLE, any(&mut random)));
                    if random.below(100) == 0 {
                        stale = any(&mut random);
                    }
                }
                assert!(cfg!(miri) || found > 0, "a reader that never found a token");
            });
        }
        let writers: Vec<_> = (0..threads)
            .map(|number| {
                let (own, mut random) = (&handles[number], Random(number as u64 + 100));
                scope.spawn(move || {
                    for _ in 0..rounds {
                        let handle = any(&mut random);
                        match (random.below(10), TABLE.find(handle)) {
                            (0, _) | (_, None) => replace(own),
                            (1, Some(value)) => value.withdraw(false),
                            (_, Some(value)) => value.publish(handle),
                        }
                    }
                })
            })
            .collect();
        let writers: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        ended.store(true, Relaxed);
        assert!(writers.iter().all(Result::is_ok), "a writer panicked");
    });

    /// Frees the value of this handle, and inserts another, into the same entry or another one.
    fn replace(handle: &AtomicUsize) {
        let old = Handle::from_bits(handle.load(Relaxed));
        TABLE.remove(old, |value| value.withdraw(true));
        assert!(!check(&TABLE, old), "a token after its value was removed");
        let new = TABLE.insert(Value::new).expect("the table is not full");
        TABLE.find(new).expect("just inserted").publish(new);
        assert!(check(&TABLE, new), "no token right after it was published");
        handle.store(new.to_bits(), Relaxed);
    }
}
