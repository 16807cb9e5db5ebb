//! The table behind C's handles. A handle is a number: the index of an entry, and the version of the entry's value.
//!
//! Entries are used again, so the version tells a handle whose value was removed from the handle of the present value.
//! The published tokens of entries are never freed: a reader may use one at any time, whatever happens to the value.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use crate::runtime::fork::ForkLock;
use crate::runtime::published_token::{NO_OWNER, PublishedToken};

/// Copied freely, and compared with the table at every use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle(usize);

const HALF_BITS: u32 = usize::BITS / 2;
const HALF_MASK: usize = (1 << HALF_BITS) - 1;

/// Published tokens in the first row; each further row has twice as many.
const FIRST_ROW: usize = 64;
const ROWS: usize = 20;

/// Each value has a published token of its own.
pub(super) struct HandleTable<T: 'static> {
    /// Filled from the front, each once and with the lock held.
    published: [OnceLock<&'static [PublishedToken]>; ROWS],
    pub(super) entries: ForkLock<Entries<T>>,
}

pub(super) struct Entries<T> {
    all: Vec<Entry<T>>,
    /// The one that was freed first comes first: so a stale handle is recognised for as long as possible.
    free: VecDeque<usize>,
}

struct Entry<T> {
    /// The version of the present value, or of the last one. The first is 1, so no handle is a small number.
    version: usize,
    value: Option<Arc<T>>,
}

impl Handle {
    pub(super) fn from_bits(bits: usize) -> Self {
        Self(bits)
    }

    pub(super) fn to_bits(self) -> usize {
        self.0
    }

    /// The owner of its published token.
    pub(super) fn owner(self) -> u64 {
        self.0 as u64
    }

    fn index(self) -> usize {
        self.0 & HALF_MASK
    }

    fn version(self) -> usize {
        self.0 >> HALF_BITS
    }
}

impl<T> HandleTable<T> {
    pub(super) const fn new() -> Self {
        let entries = Entries { all: Vec::new(), free: VecDeque::new() };
        Self { published: [const { OnceLock::new() }; ROWS], entries: ForkLock::new(entries) }
    }

    /// Adds a value that publishes in the given place. `None`: the table is full.
    pub(super) fn insert(&'static self, value: impl FnOnce(&'static PublishedToken) -> T) -> Option<Handle> {
        self.entries.with(|entries| {
            let index = entries.free.pop_front().or_else(|| self.grow(entries))?;
            let entry = &mut entries.all[index];
            entry.version += 1;
            let handle = Handle(entry.version << HALF_BITS | index);
            let published = self.published(handle).expect("every entry has a published token");
            entry.value = Some(Arc::new(value(published)));
            published.set_owner(handle.owner());
            Some(handle)
        })
    }

    pub(super) fn find(&'static self, handle: Handle) -> Option<Arc<T>> {
        self.entries.with(|entries| entries.get(handle)?.value.clone())
    }

    /// Removes a value; `close` makes it withdraw what it has published. A stale handle, or one that never was one, has
    /// no effect.
    pub(super) fn remove(&'static self, handle: Handle, close: impl FnOnce(&T)) {
        let value = self.entries.with(|entries| {
            let value = entries.get(handle)?.value.take()?;
            self.published(handle).expect("every entry has a published token").set_owner(NO_OWNER);
            Some(value)
        });
        let Some(value) = value else { return };
        // Without the table's lock: the thread that holds the value's lock may be in a signal handler that forks, and
        // so wait for the table's.
        close(&value);
        // An entry that has had every version that a handle can hold stays empty.
        if handle.version() < HALF_MASK {
            self.entries.with(|entries| entries.free.push_back(handle.index()));
        }
    }

    /// The published token of an entry, if there ever was such an entry. Only its owner tells whose it is.
    #[inline]
    pub(super) fn published(&'static self, handle: Handle) -> Option<&'static PublishedToken> {
        let (row, column) = place(handle.index());
        self.published.get(row)?.get()?.get(column)
    }

    fn grow(&self, entries: &mut Entries<T>) -> Option<usize> {
        let index = entries.all.len();
        let (row, _) = place(index);
        let row_of_entry = self.published.get(row).filter(|_| index <= HALF_MASK)?;
        row_of_entry.get_or_init(|| PublishedToken::row(FIRST_ROW << row));
        entries.all.push(Entry { version: 0, value: None });
        Some(index)
    }
}

impl<T> Entries<T> {
    fn get(&mut self, handle: Handle) -> Option<&mut Entry<T>> {
        self.all.get_mut(handle.index()).filter(|entry| entry.version == handle.version())
    }
}

/// Row and column: row `r` begins at entry `FIRST_ROW << r - FIRST_ROW`.
#[inline]
fn place(index: usize) -> (usize, usize) {
    let counted = index + FIRST_ROW;
    let row = counted.ilog2() - FIRST_ROW.ilog2();
    (row as usize, counted - (FIRST_ROW << row))
}

#[cfg(test)]
mod tests;
