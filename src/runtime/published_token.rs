//! The published token, a double-buffered seqlock: any number of threads read it without a lock, one at a time writes.
//!
//! The lowest bit of the sequence says which of the two buffers is current. The writer fills the other buffer,
//! increments the sequence, then wipes the old buffer. A reader loads the sequence before and after it copies: the same
//! number means that the buffer was current, and so unchanged, all the while. A writer that stops at any instruction,
//! also for ever (a fork), leaves the current buffer whole. Every byte is an atomic, so no access is a data race.
#![allow(unsafe_code)]

mod copy;
mod memory;

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};
use std::time::Duration;

use bankhub_core::policy::TOKEN_BYTES_MAX;
use bankhub_core::{Instant, Published, Secret, Timestamp, Token};

use crate::runtime::clock::Coarse;
use crate::runtime::fork;

use copy::OwnedCopy;
pub(crate) use copy::{TokenCopy, TokenMemory};
pub(crate) use memory::MaybeOwned;

/// The longest token that can be returned, in bytes, its NUL included.
pub(crate) const TOKEN_CAPACITY: usize = TOKEN_BYTES_MAX + 1;

const WORD: usize = size_of::<u64>();
const WORDS: usize = TOKEN_CAPACITY / WORD;

/// How far the coarse clocks may drift apart before they are not trusted any more: far more than a tick, far less than
/// a suspend or a clock change that matters.
const CLOCKS_APART_MAX_NS: u64 = 500_000_000;

/// How far a coarse clock may lag behind a precise one: a tick of the slowest kernel. A buffer's limits are early by
/// this much, so that no token is returned that the precise clocks call stale.
const TICK: Duration = Duration::from_millis(10);

/// For `next_check_at`: no check is needed.
const NEVER: u64 = u64::MAX;

/// For `set_owner`: nobody may read what is published.
pub(crate) const NO_OWNER: u64 = u64::MAX;

#[derive(Default)]
pub(crate) struct PublishedToken {
    /// Whoever names this number may read.
    owner: AtomicU64,
    sequence: AtomicU64,
    /// The time (`Coarse.mono`) from which readers ask for a check. Not part of a buffer: it changes while the token
    /// stays.
    next_check_at: AtomicU64,
    /// The process that published last. In a child a check is needed, because a fetch of its parent does not run there.
    fork_depth: AtomicU64,
    buffers: [TokenBuffer; 2],
    /// The text of both buffers, word by word: so two short tokens fit into one page of memory.
    words: Words,
}

/// All but the text of a token.
#[derive(Default)]
struct TokenBuffer {
    generation: AtomicU64,
    length: AtomicU64,
    sent_boot: AtomicU64,
    sent_wall: AtomicU64,
    ttl: AtomicU64,
    /// When it is stale, or must be confirmed. 0: no token.
    read_until_mono: AtomicU64,
    stale_at_wall: AtomicU64,
    /// The smallest valid `wall - mono`: its value at publication, less the drift that is allowed.
    offset_min: AtomicU64,
}

struct Words([[AtomicU64; 2]; WORDS]);

impl Default for Words {
    fn default() -> Self {
        Self([const { [const { AtomicU64::new(0) }; 2] }; WORDS])
    }
}

/// The facts about a token that a reader has copied.
pub(crate) struct ReadToken {
    pub(crate) generation: u64,
    /// Since 1970.
    pub(crate) expires_at: Duration,
    /// The token is valid, but a refresh may be due.
    pub(crate) needs_check: bool,
}

impl PublishedToken {
    pub(crate) fn set_owner(&self, owner: u64) {
        self.owner.store(owner, Relaxed);
    }

    pub(crate) fn is_owned_by(&self, owner: u64) -> bool {
        self.owner.load(Relaxed) == owner
    }

    /// Copies the token, if `owner` has one that is valid by both clocks. `None`: ask the cache.
    #[inline(always)]
    pub(crate) fn read(&self, owner: u64, time: Coarse, copy: &mut TokenCopy<'_>) -> Option<ReadToken> {
        self.while_current(owner, time, |buffer, side| {
            let length = buffer.length.load(Relaxed) as usize;
            copy.write(length, |index| self.words.0[index][side].load(Relaxed));
            self.describe(buffer, time)
        })
    }

    /// Like `read`, into a `String`.
    #[inline(always)]
    pub(crate) fn read_to_string(&self, owner: u64, time: Coarse) -> Option<(String, ReadToken)> {
        let mut copy = OwnedCopy::default();
        let read = self.while_current(owner, time, |buffer, side| {
            let length = buffer.length.load(Relaxed) as usize;
            copy.write(length, |index| self.words.0[index][side].load(Relaxed));
            self.describe(buffer, time)
        })?;
        // SAFETY: the buffer was unchanged during the last copy, so these are the bytes of the `str` that was
        // published.
        let text = unsafe { String::from_utf8_unchecked(copy.into_bytes()) };
        Some((text, read))
    }

    /// The generation of the token that `read` would copy, and whether a check is needed.
    #[inline(always)]
    pub(crate) fn generation(&self, owner: u64, time: Coarse) -> Option<(u64, bool)> {
        let generation = self.while_current(owner, time, |buffer, _| buffer.generation.load(Relaxed))?;
        Some((generation, self.needs_check(time)))
    }

    /// Replaces the published token; `None` withdraws it. The newest generation is kept in both cases. Only one thread
    /// at a time may publish: the caller holds the lock of the cache.
    pub(crate) fn publish(&self, published: Option<&Published<'_>>, generation: u64, time: Coarse, now: Timestamp) {
        let sequence = self.sequence.load(Relaxed);
        let old = (sequence & 1) as usize;
        // The last writer may have been another thread: a reader that sees a word written below also sees, after its
        // Acquire fence, that writer's sequence.
        fence(Release);
        // It is wiped already, unless this is a child and its parent was forked during a write.
        self.wipe(1 - old);
        self.buffers[1 - old].generation.store(generation, Relaxed);
        if let Some(published) = published {
            self.fill(1 - old, published, time, now);
        }
        let next_check_at = published.and_then(|published| published.next_check_at);
        let next_check_at = next_check_at.map_or(NEVER, |at| mono_at(at, time.mono, now.boottime));
        self.next_check_at.store(next_check_at, Relaxed);
        self.fork_depth.store(fork::fork_depth(), Relaxed);
        // Release: a reader that sees this sequence sees the buffer that was filled before it.
        self.sequence.store(sequence + 1, Release);
        // The wipe stays behind the sequence: a reader that sees a wiped word also sees, after its Acquire fence, the
        // new sequence.
        fence(Release);
        self.wipe(old);
    }

    /// Whether the clocks still differ by as much as at publication. If they do not, the machine has slept or its wall
    /// clock was set, and no reader trusts what was published before.
    pub(crate) fn is_trusted_at(&self, time: Coarse) -> bool {
        let side = (self.sequence.load(Acquire) & 1) as usize;
        self.buffers[side].has_same_offset(time)
    }

    /// The part that a forked child takes over: the newest generation, and the token if one is published.
    pub(crate) fn inherit(&self) -> (u64, Option<Token>) {
        let side = (self.sequence.load(Acquire) & 1) as usize;
        let buffer = &self.buffers[side];
        let nanoseconds = |field: &AtomicU64| Duration::from_nanos(field.load(Relaxed));
        let generation = buffer.generation.load(Relaxed);
        let length = buffer.length.load(Relaxed) as usize;
        let mut text = Vec::with_capacity(TOKEN_CAPACITY);
        for pair in &self.words.0[..length.div_ceil(WORD)] {
            text.extend_from_slice(&pair[side].load(Relaxed).to_ne_bytes());
        }
        text.truncate(length);
        let value = String::from_utf8(text).unwrap_or_default();
        let boottime = Instant::from_origin(nanoseconds(&buffer.sent_boot));
        let sent_at = Timestamp { boottime, realtime: nanoseconds(&buffer.sent_wall) };
        let token = Token { value: Secret::new(value), ttl: nanoseconds(&buffer.ttl), sent_at };
        (generation, (length > 0).then_some(token))
    }

    #[inline(always)]
    fn while_current<R>(&self, owner: u64, time: Coarse, mut copy: impl FnMut(&TokenBuffer, usize) -> R) -> Option<R> {
        loop {
            let sequence = self.sequence.load(Acquire);
            let side = (sequence & 1) as usize;
            let buffer = &self.buffers[side];
            let is_valid = self.owner.load(Relaxed) == owner && buffer.is_valid(time);
            let copied = is_valid.then(|| copy(buffer, side));
            // Pairs with the writer's Release fences: if anything of a later write was read, its sequence is seen
            // below.
            fence(Acquire);
            if self.sequence.load(Relaxed) == sequence {
                return copied;
            }
        }
    }

    #[inline(always)]
    fn describe(&self, buffer: &TokenBuffer, time: Coarse) -> ReadToken {
        let expires_at = Duration::from_nanos(buffer.sent_wall.load(Relaxed) + buffer.ttl.load(Relaxed));
        let generation = buffer.generation.load(Relaxed);
        ReadToken { generation, expires_at, needs_check: self.needs_check(time) }
    }

    #[inline]
    fn needs_check(&self, time: Coarse) -> bool {
        time.mono >= self.next_check_at.load(Relaxed) || self.fork_depth.load(Relaxed) != fork::fork_depth()
    }

    fn fill(&self, side: usize, published: &Published<'_>, time: Coarse, now: Timestamp) {
        let buffer = &self.buffers[side];
        let Token { value, ttl, sent_at } = published.token;
        let text = value.expose().as_bytes();
        let stale_at = published.token.stale_at() - TICK;
        let read_until = stale_at.boottime.min(published.confirm_at.unwrap_or(Instant::MAX));
        buffer.length.store(text.len() as u64, Relaxed);
        buffer.sent_boot.store(sent_at.boottime.since_origin().as_nanos() as u64, Relaxed);
        buffer.sent_wall.store(sent_at.realtime.as_nanos() as u64, Relaxed);
        buffer.ttl.store(ttl.as_nanos() as u64, Relaxed);
        buffer.read_until_mono.store(mono_at(read_until, time.mono, now.boottime), Relaxed);
        buffer.stale_at_wall.store(stale_at.realtime.as_nanos() as u64, Relaxed);
        buffer.offset_min.store(time.wall.wrapping_sub(time.mono).wrapping_sub(CLOCKS_APART_MAX_NS), Relaxed);
        for (index, pair) in self.words.0[..=text.len() / WORD].iter().enumerate() {
            pair[side].store(copy::word_of(text, index), Relaxed);
        }
    }

    fn wipe(&self, side: usize) {
        let TokenBuffer { length, read_until_mono, .. } = &self.buffers[side];
        read_until_mono.store(0, Relaxed);
        for pair in &self.words.0[..=length.load(Relaxed) as usize / WORD] {
            pair[side].store(0, Relaxed);
        }
        length.store(0, Relaxed);
    }
}

impl TokenBuffer {
    #[inline]
    fn is_valid(&self, time: Coarse) -> bool {
        time.mono < self.read_until_mono.load(Relaxed)
            && time.wall < self.stale_at_wall.load(Relaxed)
            && self.has_same_offset(time)
    }

    #[inline]
    fn has_same_offset(&self, time: Coarse) -> bool {
        let drift = time.wall.wrapping_sub(time.mono).wrapping_sub(self.offset_min.load(Relaxed));
        drift <= 2 * CLOCKS_APART_MAX_NS
    }
}

/// The time of the coarse clock, now `mono`, when the precise clock, now `now`, will reach `then`.
fn mono_at(then: Instant, mono: u64, now: Instant) -> u64 {
    let nanoseconds = |at: Instant| at.since_origin().as_nanos() as u64;
    mono.saturating_add(nanoseconds(then)).saturating_sub(nanoseconds(now))
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod stopped;
#[cfg(test)]
mod tests;
