//! A reader's copy of the published token, in memory of the caller or of its own.

use std::mem::{self, MaybeUninit};
use std::slice;

use bankhub_core::Published;
use zeroize::Zeroize;

use super::{ReadToken, TOKEN_CAPACITY, WORD, WORDS};

/// The words of a token that are copied without a look at its length.
const SHORT: usize = 8;

/// Memory for one token and its NUL, as words without an alignment: a C caller's are part of its own struct.
pub(crate) type TokenMemory = [MaybeUninit<[u8; WORD]>; WORDS];

pub(crate) struct TokenCopy<'m> {
    memory: &'m mut TokenMemory,
    length: usize,
    /// The longest text that was ever copied: one that was withdrawn during the copy may be longer than the last.
    longest: usize,
}

impl<'m> TokenCopy<'m> {
    pub(crate) fn new(memory: &'m mut TokenMemory) -> Self {
        Self { memory, length: 0, longest: 0 }
    }

    pub(crate) fn text(&self) -> &[u8] {
        // SAFETY: only `write` sets the length, after it has written that many bytes.
        unsafe { slice::from_raw_parts(self.memory.as_ptr().cast(), self.length) }
    }

    /// Copies a token that the caller got with the lock of the cache.
    pub(crate) fn copy_from(&mut self, published: &Published<'_>) -> ReadToken {
        let text = published.token.value.expose().as_bytes();
        self.write(text.len(), |index| word_of(text, index));
        let expires_at = published.token.expires_at().realtime;
        ReadToken { generation: published.generation, expires_at, needs_check: false }
    }

    /// Overwrites everything that was ever copied, a token that was withdrawn during the copy included.
    pub(crate) fn wipe(&mut self) {
        self.memory[..=self.longest / WORD].zeroize();
        self.length = 0;
    }

    /// `word` returns the words of a text of `length` bytes, and 0 after its end.
    #[inline(always)]
    pub(super) fn write(&mut self, length: usize, word: impl Fn(usize) -> u64) {
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

/// A copy in memory of its own, which is wiped unless it is taken.
#[derive(Default)]
pub(super) struct OwnedCopy(Vec<u8>);

impl OwnedCopy {
    /// As that of [`TokenCopy`]. A second call, after a write came in between, wipes the first copy.
    #[inline(always)]
    pub(super) fn write(&mut self, length: usize, word: impl Fn(usize) -> u64) {
        let length = length.min(TOKEN_CAPACITY - 1);
        let words = length / WORD + 1;
        self.wipe();
        self.0 = Vec::with_capacity(words * WORD);
        let start = self.0.as_mut_ptr().cast::<[u8; WORD]>();
        for index in 0..words {
            // SAFETY: the vector has room for all words, and bytes need no alignment.
            unsafe { start.add(index).write(word(index).to_ne_bytes()) };
        }
        // SAFETY: the words written above contain that many bytes.
        unsafe { self.0.set_len(length) };
    }

    #[inline(always)]
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        mem::take(&mut self.0)
    }

    #[inline(always)]
    fn wipe(&mut self) {
        if self.0.capacity() > 0 {
            self.0.clear();
            self.0.spare_capacity_mut().zeroize();
        }
    }
}

impl Drop for OwnedCopy {
    #[inline(always)]
    fn drop(&mut self) {
        self.wipe();
    }
}

/// One word of a text that continues with NUL.
pub(super) fn word_of(text: &[u8], index: usize) -> u64 {
    let mut word = [0; WORD];
    let rest = text.get(index * WORD..).unwrap_or_default();
    let length = rest.len().min(WORD);
    word[..length].copy_from_slice(&rest[..length]);
    u64::from_ne_bytes(word)
}
