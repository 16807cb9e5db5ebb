//! The events that are still to happen, in the order of their time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

pub(crate) struct EventQueue<E>(BinaryHeap<Reverse<Entry<E>>>);

struct Entry<E> {
    at: Duration,
    /// Between events of the same time.
    order: u64,
    event: E,
}

impl<E> EventQueue<E> {
    pub(crate) fn new() -> Self {
        Self(BinaryHeap::new())
    }

    pub(crate) fn push(&mut self, at: Duration, order: u64, event: E) {
        self.0.push(Reverse(Entry { at, order, event }));
    }

    /// The next event, if it happens before `end`.
    pub(crate) fn pop_before(&mut self, end: Duration) -> Option<(Duration, E)> {
        self.0.peek().filter(|Reverse(next)| next.at < end)?;
        self.0.pop().map(|Reverse(Entry { at, event, .. })| (at, event))
    }

    pub(crate) fn retain(&mut self, keeps: impl Fn(&E) -> bool) {
        self.0.retain(|Reverse(entry)| keeps(&entry.event));
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
