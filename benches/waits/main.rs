//! Measures on demand how long callers wait, for `waits.py`, which judges it: how long 64 callers wait for a token once
//! the answer is there, and how long steady calls take with and without refreshes. Answers with JSON, in microseconds.
//!
//! Reads a round from each line: `wake`, or `calls SECONDS`.

use std::error::Error;
use std::hint::spin_loop;
use std::io;
use std::mem::{self, MaybeUninit};
use std::sync::{Barrier, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bankhub::TokenCache;
use endpoint::Endpoint;
use serde_json::{Value, json};

const WAITERS: usize = 64;

/// All threads are waiting by then.
const LEAD: Duration = Duration::from_millis(50);

/// The shortest that the API can grant: it is refreshed about twice a second.
const TTL: Duration = Duration::from_secs(1);
const LONG_TTL: Duration = Duration::from_secs(60_000);
const CALL_EVERY: Duration = Duration::from_micros(20);

/// The caller calls one cache for so long, then the other.
const SLICE: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn Error>> {
    for line in io::stdin().lines() {
        let answer = match line?.split_once(' ') {
            None => wake()?,
            Some((_, seconds)) => calls(Duration::from_secs_f64(seconds.parse()?))?,
        };
        println!("{answer}");
    }
    Ok(())
}

/// A bare `Condvar` first and last, so that what it differs from itself shows how noisy the round is.
fn wake() -> io::Result<Value> {
    let before = wake_all_with_a_condvar();
    let answer = wake_all_with_an_answer()?;
    let after = wake_all_with_a_condvar();
    let condvar = [before, after].map(in_microseconds);
    Ok(json!({ "answer": in_microseconds(answer), "condvar": condvar }))
}

/// From the answer until the last of many callers on an empty cache has its token.
fn wake_all_with_an_answer() -> io::Result<Duration> {
    let endpoint = Endpoint::start(LEAD, LONG_TTL)?;
    let cache = endpoint.cache();
    let ended = last_of_all(|| drop(cache.get().expect("the endpoint answers")), || ());
    Ok(ended - endpoint.answered()[0])
}

/// The least that waking takes: from the notification until the last of as many threads has woken.
fn wake_all_with_a_condvar() -> Duration {
    let state = (Mutex::new(false), Condvar::new());
    let wait = || drop(state.1.wait_while(state.0.lock().expect("no thread panics"), |awake| !*awake));
    let mut begun = Instant::now();
    let ended = last_of_all(wait, || {
        thread::sleep(LEAD);
        begun = Instant::now();
        *state.0.lock().expect("no thread panics") = true;
        state.1.notify_all();
    });
    ended - begun
}

/// When the last of all waiting threads had ended.
fn last_of_all(wait: impl Fn() + Sync, meanwhile: impl FnOnce()) -> Instant {
    let start = Barrier::new(WAITERS + 1);
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..WAITERS)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    wait();
                    Instant::now()
                })
            })
            .collect();
        start.wait();
        meanwhile();
        waiting.into_iter().map(|thread| thread.join().expect("no waiter panics")).max().expect("there are waiters")
    })
}

/// Calls a cache that is refreshed, and one that is not, alternately: both meet whatever else the machine does.
fn calls(length: Duration) -> io::Result<Value> {
    let refreshing = Endpoint::start(Duration::from_millis(5), TTL)?;
    let quiet = Endpoint::start(Duration::from_millis(5), LONG_TTL)?;
    let caches = [refreshing.cache(), quiet.cache()];
    for cache in &caches {
        cache.get().expect("the endpoint answers");
    }
    let mut times = [Vec::new(), Vec::new()];
    let begun = Instant::now();
    while begun.elapsed() < length {
        for (cache, times) in caches.iter().zip(&mut times) {
            times.push(call_steadily(cache));
        }
    }
    let [with_refreshes, without] = times;
    Ok(json!({ "refreshes": refreshing.answered().len() - 1, "with": with_refreshes, "without": without }))
}

/// How long each call took, counted from when it was due: a call that has to wait for the one before it waits, too. A
/// call does not count if the scheduler took the processor away meanwhile; then the schedule starts anew.
fn call_steadily(cache: &TokenCache) -> Vec<f64> {
    let mut times = Vec::new();
    let mut due = Instant::now();
    let end = due + SLICE;
    let mut preempted = preemptions();
    while due < end {
        while Instant::now() < due {
            spin_loop();
        }
        cache.get_within(Duration::ZERO).expect("a valid token is served");
        let took = due.elapsed();
        let before = mem::replace(&mut preempted, preemptions());
        if preempted == before {
            times.push(in_microseconds(took));
        } else {
            due = Instant::now();
        }
        due += CALL_EVERY;
    }
    times
}

/// How often the scheduler has taken the processor away from this thread; a thread that waits gives it up by itself.
fn preemptions() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: `usage` is writable, and the call fails only for a bad argument; so it writes it.
    unsafe {
        libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
        usage.assume_init().ru_nivcsw
    }
}

fn in_microseconds(length: Duration) -> f64 {
    length.as_secs_f64() * 1e6
}
