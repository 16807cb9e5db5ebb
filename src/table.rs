//! The table behind the handles. A handle is a number: which room, and which of the room's guests in turn.
//!
//! Rooms are used again, so a handle whose guest has gone is told from the one whose guest is there now. Their slots
//! are never given back to the system, so that a reader may look into one at any time, whatever happens to the guest.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use crate::runtime::fork::ForkLock;
use crate::runtime::published_token::Slot;

/// Copied freely, and compared with what is in the table whenever it is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle(usize);

const HALF_BITS: u32 = usize::BITS / 2;
const HALF_MASK: usize = (1 << HALF_BITS) - 1;

/// Slots in the first row; each further row has twice as many.
const FIRST_ROW: usize = 64;
const ROWS: usize = 20;

/// Owner of a slot that is nobody's; no handle to a room there is.
const NOBODY: u64 = u64::MAX;

/// Each guest is a `T` and has a slot to publish in.
pub(crate) struct Table<T: 'static> {
    /// Filled from the front, each once and with the lock held.
    slots: [OnceLock<&'static [Slot]>; ROWS],
    pub(crate) rooms: ForkLock<Rooms<T>>,
}

pub(crate) struct Rooms<T> {
    all: Vec<Room<T>>,
    /// The longest empty first: so a stale handle stays recognisable for as long as can be.
    free: VecDeque<usize>,
}

struct Room<T> {
    /// The number of the guest that is there, or was there last; the first is 1, so that no handle is a small number.
    turn: usize,
    guest: Option<Arc<T>>,
}

impl Handle {
    pub(crate) fn from_bits(bits: usize) -> Self {
        Self(bits)
    }

    pub(crate) fn to_bits(self) -> usize {
        self.0
    }

    /// Of its slot.
    pub(crate) fn owner(self) -> u64 {
        self.0 as u64
    }

    fn index(self) -> usize {
        self.0 & HALF_MASK
    }

    fn turn(self) -> usize {
        self.0 >> HALF_BITS
    }
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        let rooms = Rooms { all: Vec::new(), free: VecDeque::new() };
        Self { slots: [const { OnceLock::new() }; ROWS], rooms: ForkLock::new(rooms) }
    }

    /// A guest comes, and publishes in its room's slot; `None`: all rooms are taken.
    pub(crate) fn insert(&'static self, guest: impl FnOnce(&'static Slot) -> T) -> Option<Handle> {
        self.rooms.with(|rooms| {
            let index = rooms.free.pop_front().or_else(|| self.build(rooms))?;
            let room = &mut rooms.all[index];
            room.turn += 1;
            let handle = Handle(room.turn << HALF_BITS | index);
            let slot = self.slot(handle).expect("a room has a slot");
            room.guest = Some(Arc::new(guest(slot)));
            slot.set_owner(handle.owner());
            Some(handle)
        })
    }

    pub(crate) fn find(&'static self, handle: Handle) -> Option<Arc<T>> {
        self.rooms.with(|rooms| rooms.room(handle)?.guest.clone())
    }

    /// The guest goes, and withdraws what it has published when told to `leave`. A handle whose guest has gone, or that
    /// never was one, is left alone.
    pub(crate) fn remove(&'static self, handle: Handle, leave: impl FnOnce(&T)) {
        let guest = self.rooms.with(|rooms| {
            let guest = rooms.room(handle)?.guest.take()?;
            self.slot(handle).expect("a room has a slot").set_owner(NOBODY);
            Some(guest)
        });
        let Some(guest) = guest else { return };
        // Without the lock: a thread with that of the guest may be in a signal handler that forks, and so wait for it.
        leave(&guest);
        // A room that has had as many guests as a handle can tell apart stays empty.
        if handle.turn() < HALF_MASK {
            self.rooms.with(|rooms| rooms.free.push_back(handle.index()));
        }
    }

    /// The slot of a room, if there ever was such a room; whose it is, only the slot can tell.
    #[inline]
    pub(crate) fn slot(&'static self, handle: Handle) -> Option<&'static Slot> {
        let (row, column) = place(handle.index());
        self.slots.get(row)?.get()?.get(column)
    }

    fn build(&self, rooms: &mut Rooms<T>) -> Option<usize> {
        let index = rooms.all.len();
        let (row, _) = place(index);
        self.slots.get(row).filter(|_| index <= HALF_MASK)?.get_or_init(|| Slot::row(FIRST_ROW << row));
        rooms.all.push(Room { turn: 0, guest: None });
        Some(index)
    }
}

impl<T> Rooms<T> {
    fn room(&mut self, handle: Handle) -> Option<&mut Room<T>> {
        self.all.get_mut(handle.index()).filter(|room| room.turn == handle.turn())
    }
}

/// Row and column: row `r` starts at room `FIRST_ROW << r - FIRST_ROW`.
#[inline]
fn place(index: usize) -> (usize, usize) {
    let counted = index + FIRST_ROW;
    let row = counted.ilog2() - FIRST_ROW.ilog2();
    (row as usize, counted - (FIRST_ROW << row))
}

#[cfg(test)]
#[path = "ffi/handle_table/tests.rs"]
mod tests;
