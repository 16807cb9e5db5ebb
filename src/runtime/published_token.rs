//! The published token: read without a lock by any number of threads, wiped when it is replaced.
//!
//! Two pages and a count of flips, whose lowest bit says which page is current. The writer fills the other page, flips,
//! then wipes the old one. A reader takes the count before and after it copies: the same count means that the page it
//! read was current, and so untouched, all the while. A writer that is stopped anywhere, for good even (a fork), leaves
//! the current page whole. Every byte is an atomic, so no access is a data race.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::slice;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};
use std::time::Duration;

use zeroize::Zeroize;

use crate::life::{Grant, Moment, Offer};
use crate::policy;
use crate::runtime::clock::Coarse;
use crate::runtime::fork;
use crate::secret::Secret;

/// Bytes of the longest token that can be handed out, a closing NUL included.
pub(crate) const TOKEN_CAPACITY: usize = 4096;

const WORD: usize = size_of::<u64>();
const WORDS: usize = TOKEN_CAPACITY / WORD;

/// Words of a token that is copied without counting them.
const SHORT: usize = 8;

/// How far the coarse clocks may drift apart before they are no longer believed; far more than a tick, far less than a
/// suspend or a clock change that matters.
const CLOCKS_APART_MAX_NS: u64 = 500_000_000;

/// How far a coarse clock may lag behind a precise one: a tick of the slowest kernel. A page's limits are that much
/// early, so that no token is handed out when its life says that it is over.
const TICK: Duration = Duration::from_millis(10);

/// For `attention`: nobody needs to look in.
const NEVER: u64 = u64::MAX;

#[derive(Default)]
pub(crate) struct Slot {
    /// The handle whose token this is.
    owner: AtomicU64,
    flips: AtomicU64,
    /// When (`Coarse.mono`) the next reader is to look in. Not part of a page: it changes while the token stays.
    attention: AtomicU64,
    /// Which process published last: a child must look in, because nobody in it knows of a fetch of its parent's.
    forks: AtomicU64,
    pages: [Page; 2],
    /// The words of both pages side by side: short tokens of both lie in one page of memory.
    words: Words,
}

/// What is known of the token on a page.
#[derive(Default)]
struct Page {
    generation: AtomicU64,
    length: AtomicU64,
    sent_boot: AtomicU64,
    sent_wall: AtomicU64,
    ttl: AtomicU64,
    /// 0: no token.
    limit_mono: AtomicU64,
    limit_wall: AtomicU64,
    /// The least that `wall - mono` may be: what it was at publication, less what the clocks may drift apart.
    offset_min: AtomicU64,
}

struct Words([[AtomicU64; 2]; WORDS]);

impl Default for Words {
    fn default() -> Self {
        Self([const { [const { AtomicU64::new(0) }; 2] }; WORDS])
    }
}

/// Memory for one token and its closing NUL, as words that need no alignment: a caller's are those of its own struct.
pub(crate) type Memory = [MaybeUninit<[u8; WORD]>; WORDS];

/// Where a reader's copy goes: memory of its caller, and how many bytes of it are the token's.
pub(crate) struct Buffer<'m> {
    memory: &'m mut Memory,
    length: usize,
    /// Of all that were copied: one that was withdrawn meanwhile may have been longer.
    longest: usize,
}

/// What is known of a token that was copied out.
pub(crate) struct Reading {
    pub(crate) generation: u64,
    /// Since 1970.
    pub(crate) expires_at: Duration,
    /// The token is good, and yet somebody should look in: a fetch may be wanted.
    pub(crate) attention: bool,
}

impl<'m> Buffer<'m> {
    pub(crate) fn new(memory: &'m mut Memory) -> Self {
        Self { memory, length: 0, longest: 0 }
    }

    pub(crate) fn text(&self) -> &[u8] {
        // SAFETY: `write`, which alone sets the length, has written as many bytes before.
        unsafe { slice::from_raw_parts(self.memory.as_ptr().cast(), self.length) }
    }

    /// Copies a text that is in hand anyway.
    pub(crate) fn fill(&mut self, text: &[u8]) {
        self.write(text.len(), |index| word_of(text, index));
    }

    /// Overwrites what was copied, be it of a token that turned out to be withdrawn meanwhile.
    pub(crate) fn wipe(&mut self) {
        self.memory[..=self.longest / WORD].zeroize();
        self.length = 0;
    }

    /// `word` gives those of a text of `length` bytes, and 0 beyond.
    #[inline(always)]
    fn write(&mut self, length: usize, word: impl Fn(usize) -> u64) {
        self.length = length.min(TOKEN_CAPACITY - 1);
        self.longest = self.longest.max(self.length);
        let (short, rest) = self.memory.split_at_mut(SHORT);
        for (index, place) in short.iter_mut().enumerate() {
            place.write(word(index).to_ne_bytes());
        }
        for index in SHORT..=self.length / WORD {
            rest[index - SHORT].write(word(index).to_ne_bytes());
        }
    }
}

impl Slot {
    /// Slots of nobody, in memory that the system hands out as it is touched, and leaves out of core dumps.
    #[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
    pub(crate) fn row(count: usize) -> &'static [Self] {
        use std::alloc::{Layout, handle_alloc_error};
        use std::ptr;

        use libc::{MADV_DONTDUMP, MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE};
        let layout = Layout::array::<Self>(count).expect("a row fits into memory");
        // SAFETY: new pages, as many as a row takes, which are never unmapped. A slot consists of nothing but atomic
        // integers, for which all bits 0 is the value 0.
        unsafe {
            let access = PROT_READ | PROT_WRITE;
            let pages = libc::mmap(ptr::null_mut(), layout.size(), access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if pages == MAP_FAILED {
                handle_alloc_error(layout);
            }
            libc::madvise(pages, layout.size(), MADV_DONTDUMP); // a kernel may refuse
            slice::from_raw_parts(pages.cast(), count)
        }
    }

    /// Slots of nobody.
    #[cfg(not(all(any(target_os = "linux", target_os = "android"), not(miri))))]
    pub(crate) fn row(count: usize) -> &'static [Self] {
        // SAFETY: as above.
        Box::leak(unsafe { Box::new_zeroed_slice(count).assume_init() })
    }

    pub(crate) fn set_owner(&self, owner: u64) {
        self.owner.store(owner, Relaxed);
    }

    /// Copies the token out, if `owner` has one that both clocks call good. `None`: only the slow path can tell.
    #[inline(always)]
    pub(crate) fn read(&self, owner: u64, time: Coarse, buffer: &mut Buffer<'_>) -> Option<Reading> {
        self.while_current(owner, time, |page, side| {
            let length = page.length.load(Relaxed) as usize;
            buffer.write(length, |index| self.words.0[index][side].load(Relaxed));
            let expires_at = Duration::from_nanos(page.sent_wall.load(Relaxed) + page.ttl.load(Relaxed));
            Reading { generation: page.generation.load(Relaxed), expires_at, attention: self.wants_attention(time) }
        })
    }

    /// The generation of the token that `read` would copy, and whether somebody should look in.
    #[inline(always)]
    pub(crate) fn peek(&self, owner: u64, time: Coarse) -> Option<(u64, bool)> {
        let generation = self.while_current(owner, time, |page, _| page.generation.load(Relaxed))?;
        Some((generation, self.wants_attention(time)))
    }

    /// Replaces what is published; without an offer, withdraws it. The newest generation, that of an offer, stays known
    /// either way. One writer at a time: its caller holds the owner's lock.
    pub(crate) fn publish(&self, offer: Option<&Offer<'_>>, generation: u64, time: Coarse, now: Moment) {
        let flips = self.flips.load(Relaxed);
        let old = (flips & 1) as usize;
        // The writer before may have been another thread: who sees a word written below sees, behind an Acquire fence,
        // that writer's flip as well.
        fence(Release);
        // Wiped already, unless this is a child whose parent was forked while it wrote.
        self.wipe(1 - old);
        self.pages[1 - old].generation.store(generation, Relaxed);
        if let Some(offer) = offer {
            self.fill(1 - old, offer, time, now);
        }
        let attention = offer.and_then(|offer| offer.attention);
        self.attention.store(attention.map_or(NEVER, |at| later(time.mono, at, now.boot)), Relaxed);
        self.forks.store(fork::forks(), Relaxed);
        // Release: who sees the flip sees the page that was filled before it.
        self.flips.store(flips + 1, Release);
        // Keeps the wiping behind the flip: who sees a wiped word sees, behind an Acquire fence, the flip as well.
        fence(Release);
        self.wipe(old);
    }

    /// What a forked child takes over: the newest generation, and the token if there is one.
    pub(crate) fn inherit(&self) -> (u64, Option<Grant>) {
        let side = (self.flips.load(Acquire) & 1) as usize;
        let page = &self.pages[side];
        let nanoseconds = |field: &AtomicU64| Duration::from_nanos(field.load(Relaxed));
        let generation = page.generation.load(Relaxed);
        let length = page.length.load(Relaxed) as usize;
        let mut text = Vec::with_capacity(TOKEN_CAPACITY);
        for pair in &self.words.0[..length.div_ceil(WORD)] {
            text.extend_from_slice(&pair[side].load(Relaxed).to_ne_bytes());
        }
        text.truncate(length);
        let value = String::from_utf8(text).unwrap_or_default();
        let sent = Moment { boot: nanoseconds(&page.sent_boot), wall: nanoseconds(&page.sent_wall) };
        let grant = Grant { value: Secret::new(value), ttl: nanoseconds(&page.ttl), sent };
        (generation, (length > 0).then_some(grant))
    }

    #[inline(always)]
    fn while_current<R>(&self, owner: u64, time: Coarse, mut copy: impl FnMut(&Page, usize) -> R) -> Option<R> {
        loop {
            let flips = self.flips.load(Acquire);
            let side = (flips & 1) as usize;
            let page = &self.pages[side];
            let good = self.owner.load(Relaxed) == owner && page.is_good(time);
            let copied = good.then(|| copy(page, side));
            // With the writer's Release fence: whatever was read of a later write, the flip before it is seen below.
            fence(Acquire);
            if self.flips.load(Relaxed) == flips {
                return copied;
            }
        }
    }

    #[inline]
    fn wants_attention(&self, time: Coarse) -> bool {
        time.mono >= self.attention.load(Relaxed) || self.forks.load(Relaxed) != fork::forks()
    }

    fn fill(&self, side: usize, offer: &Offer<'_>, time: Coarse, now: Moment) {
        let page = &self.pages[side];
        let text = offer.value.expose().as_bytes();
        let limit = policy::limit(offer.ttl) - TICK;
        page.length.store(text.len() as u64, Relaxed);
        page.sent_boot.store(offer.sent.boot.as_nanos() as u64, Relaxed);
        page.sent_wall.store(offer.sent.wall.as_nanos() as u64, Relaxed);
        page.ttl.store(offer.ttl.as_nanos() as u64, Relaxed);
        page.limit_mono.store(later(time.mono, offer.sent.boot + limit, now.boot), Relaxed);
        page.limit_wall.store((offer.sent.wall + limit).as_nanos() as u64, Relaxed);
        page.offset_min.store(time.wall.wrapping_sub(time.mono).wrapping_sub(CLOCKS_APART_MAX_NS), Relaxed);
        for (index, pair) in self.words.0[..=text.len() / WORD].iter().enumerate() {
            pair[side].store(word_of(text, index), Relaxed);
        }
    }

    fn wipe(&self, side: usize) {
        let Page { length, limit_mono, .. } = &self.pages[side];
        limit_mono.store(0, Relaxed);
        for pair in &self.words.0[..=length.load(Relaxed) as usize / WORD] {
            pair[side].store(0, Relaxed);
        }
        length.store(0, Relaxed);
    }
}

impl Page {
    #[inline]
    fn is_good(&self, time: Coarse) -> bool {
        let drift = time.wall.wrapping_sub(time.mono).wrapping_sub(self.offset_min.load(Relaxed));
        time.mono < self.limit_mono.load(Relaxed)
            && time.wall < self.limit_wall.load(Relaxed)
            && drift <= 2 * CLOCKS_APART_MAX_NS
    }
}

/// `mono` at the moment when the other clock, which reads `now`, will read `then`.
fn later(mono: u64, then: Duration, now: Duration) -> u64 {
    mono.saturating_add(then.as_nanos() as u64).saturating_sub(now.as_nanos() as u64)
}

/// A word of the text, which goes on with NUL.
fn word_of(text: &[u8], index: usize) -> u64 {
    let mut word = [0; WORD];
    let rest = text.get(index * WORD..).unwrap_or_default();
    let length = rest.len().min(WORD);
    word[..length].copy_from_slice(&rest[..length]);
    u64::from_ne_bytes(word)
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod stopped;

#[cfg(test)]
mod tests;
