//! The table behind the handles. A handle is a number: which room, and which of the room's guests in turn.
//!
//! Rooms are used again, so a handle whose guest has gone is told from the one whose guest is there now. Their slots
//! are never given back to the system, so that a reader may look into one at any time, whatever happens to the guest.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use crate::fork::ForkLock;
use crate::slot::Slot;

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
mod tests {
    use std::mem::MaybeUninit;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
    use std::time::Duration;

    use super::*;
    use crate::clock::Coarse;
    use crate::life::{Moment, Offer};
    use crate::secret::Secret;
    use crate::slot::Buffer;

    const SENT: Moment = Moment { boot: Duration::from_secs(500), wall: Duration::from_secs(1_700_000_000) };
    const TIME: Coarse = Coarse { mono: 100_000_000_000, wall: 1_700_000_000_000_000_000 };

    /// Publishes as a cache does: under its lock, and nothing any more once it is closed.
    struct Guest {
        slot: &'static Slot,
        state: Mutex<State>,
    }

    #[derive(Default)]
    struct State {
        generation: u64,
        closed: bool,
    }

    impl Guest {
        fn new(slot: &'static Slot) -> Self {
            Self { slot, state: Mutex::default() }
        }

        fn publish(&self, handle: Handle) {
            let mut state = self.state.lock().unwrap();
            if !state.closed {
                state.generation += 1;
                let (generation, ttl) = (state.generation, Duration::from_secs(600));
                let value = Secret::new(value(handle, generation));
                let offer = Offer { value: &value, generation, sent: SENT, ttl, attention: None };
                self.slot.publish(Some(&offer), generation, TIME, SENT);
            }
        }

        fn withdraw(&self, closed: bool) {
            let mut state = self.state.lock().unwrap();
            if !state.closed {
                self.slot.publish(None, state.generation, TIME, SENT);
                state.closed = closed;
            }
        }
    }

    /// The token of this guest and generation: no other is like it, nor has the same length as the one before it.
    fn value(handle: Handle, generation: u64) -> String {
        let sign = format!("{:x}.{generation:x}.", handle.to_bits());
        sign.repeat((generation * 7 % 5 + 1) as usize)
    }

    /// Whether the handle has a token; it must be one that was written for it.
    fn check(table: &'static Table<Guest>, handle: Handle) -> bool {
        let mut memory = [MaybeUninit::uninit(); _];
        let mut buffer = Buffer::new(&mut memory);
        let Some(reading) = table.slot(handle).and_then(|slot| slot.read(handle.owner(), TIME, &mut buffer)) else {
            return false;
        };
        let text = str::from_utf8(buffer.text()).expect("a token is text");
        assert_eq!(text, value(handle, reading.generation));
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
    fn beside_writers_and_frees_every_read_is_whole_and_of_its_handle() {
        static TABLE: Table<Guest> = Table::new();
        let rounds = if cfg!(miri) { 20 } else { 100_000 };
        let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        // As many rooms as threads that free: each frees the guest of its own, and any thread may call any handle.
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
                                (1, Some(guest)) => guest.withdraw(false),
                                (_, Some(guest)) => guest.publish(handle),
                            }
                        }
                    })
                })
                .collect();
            let writers: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            ended.store(true, Relaxed);
            assert!(writers.iter().all(Result::is_ok), "a writer panicked");
        });

        /// Frees the guest of this handle, and has another come, to the same room or another.
        fn replace(handle: &AtomicUsize) {
            let old = Handle::from_bits(handle.load(Relaxed));
            TABLE.remove(old, |guest| guest.withdraw(true));
            assert!(!check(&TABLE, old), "a token after its guest has gone");
            let new = TABLE.insert(Guest::new).expect("there is room");
            TABLE.find(new).expect("just inserted").publish(new);
            assert!(check(&TABLE, new), "no token right after it was published");
            handle.store(new.to_bits(), Relaxed);
        }
    }
}
