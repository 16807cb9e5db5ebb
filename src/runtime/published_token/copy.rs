//! A reader's copy of the published token, in memory of the caller.

use std::mem::MaybeUninit;
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

/// One word of a text that continues with NUL.
pub(super) fn word_of(text: &[u8], index: usize) -> u64 {
    let mut word = [0; WORD];
    let rest = text.get(index * WORD..).unwrap_or_default();
    let length = rest.len().min(WORD);
    word[..length].copy_from_slice(&rest[..length]);
    u64::from_ne_bytes(word)
}
