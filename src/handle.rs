//! Handles and the table behind them. A handle is a number: which room, and which of the room's guests in turn.
//!
//! Rooms are used again, so a handle whose guest has gone is told from the one whose guest is there now. Their slots
//! are never given back to the system, so that a reader may look into one at any time, whatever happens to the guest.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::cache::Cache;
use crate::clock;
use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::error::{Error, Status};
use crate::fork::{self, ForkLock};
use crate::life::Stats;
use crate::slot::{Buffer, Reading, Slot};

/// Copied freely; using one whose cache was closed, or a number that never was one, is answered with `Closed`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle(usize);

const HALF_BITS: u32 = usize::BITS / 2;
const HALF_MASK: usize = (1 << HALF_BITS) - 1;

/// Slots in the first row; each further row has twice as many.
const FIRST_ROW: usize = 64;
const ROWS: usize = 20;

/// Filled from the front, each once and with the table's lock held.
static SLOTS: [OnceLock<Box<[Slot]>>; ROWS] = [const { OnceLock::new() }; ROWS];

/// Owner of a slot that is nobody's.
const NOBODY: u64 = 0;

static TABLE: ForkLock<Table> = ForkLock::new(Table { rooms: Vec::new(), free: VecDeque::new(), watching: false });

struct Table {
    rooms: Vec<Room>,
    /// The longest empty first: so a stale handle stays recognisable for as long as can be.
    free: VecDeque<usize>,
    watching: bool,
}

#[derive(Default)]
struct Room {
    /// Of the guest that is there, or was there last; the first is 1, so that no handle is a small number.
    guest: usize,
    cache: Option<Arc<Cache>>,
}

impl Handle {
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        let endpoint = Endpoint::new(config)?;
        let mut table = TABLE.lock();
        table.watch_forks();
        let index = table.vacant_room()?;
        let slot = slot(index).expect("a room that was given out has a slot");
        let room = &mut table.rooms[index];
        room.guest += 1;
        let handle = Self(room.guest << HALF_BITS | index);
        room.cache = Some(Arc::new(Cache::new(config, endpoint, slot)));
        slot.set_owner(handle.owner());
        Ok(handle)
    }

    /// A token that is good is copied without a lock; any other call waits its turn in the cache.
    #[inline]
    pub(crate) fn get(self, timeout: Option<Duration>, buffer: &mut Buffer<'_>) -> Result<Reading, Error> {
        match slot(self.index()).and_then(|slot| slot.read(self.owner(), clock::coarse(), buffer)) {
            Some(reading) if !reading.attention => Ok(reading),
            Some(reading) => {
                self.look_in();
                Ok(reading)
            }
            None => self.cache()?.get(timeout, buffer),
        }
    }

    /// Of the token that `get` would return at once, or 0.
    #[inline]
    pub(crate) fn generation(self) -> u64 {
        match self.peek() {
            Some((generation, false)) => generation,
            _ => {
                self.look_in();
                self.peek().map_or(0, |(generation, _)| generation)
            }
        }
    }

    pub(crate) fn invalidate(self, token: &str) -> Result<(), Error> {
        self.cache()?.invalidate(token)
    }

    pub(crate) fn stats(self) -> Result<Stats, Error> {
        Ok(self.cache()?.stats())
    }

    /// A handle that was closed already, or never was one, is left alone.
    pub(crate) fn close(self) {
        let mut table = TABLE.lock();
        let Some(room) = table.rooms.get_mut(self.index()).filter(|room| room.guest == self.guest()) else { return };
        let Some(cache) = room.cache.take() else { return };
        let slot = slot(self.index()).expect("a room that was given out has a slot");
        slot.set_owner(NOBODY);
        cache.close();
        // A room that has had as many guests as a handle can tell apart stays empty.
        if self.guest() < HALF_MASK {
            table.free.push_back(self.index());
        }
    }

    pub(crate) fn from_bits(bits: usize) -> Self {
        Self(bits)
    }

    pub(crate) fn to_bits(self) -> usize {
        self.0
    }

    fn index(self) -> usize {
        self.0 & HALF_MASK
    }

    fn guest(self) -> usize {
        self.0 >> HALF_BITS
    }

    fn owner(self) -> u64 {
        self.0 as u64
    }

    #[inline]
    fn peek(self) -> Option<(u64, bool)> {
        slot(self.index())?.peek(self.owner(), clock::coarse())
    }

    #[cold]
    fn look_in(self) {
        if let Ok(cache) = self.cache() {
            cache.look_in();
        }
    }

    fn cache(self) -> Result<Arc<Cache>, Error> {
        let table = TABLE.lock();
        let room = table.rooms.get(self.index()).filter(|room| room.guest == self.guest());
        room.and_then(|room| room.cache.clone()).ok_or_else(Error::closed)
    }
}

impl Table {
    fn vacant_room(&mut self) -> Result<usize, Error> {
        if let Some(index) = self.free.pop_front() {
            return Ok(index);
        }
        let index = self.rooms.len();
        let (row, _) = place(index);
        let slots = SLOTS.get(row).filter(|_| index <= HALF_MASK);
        let slots =
            slots.ok_or_else(|| Error::new(Status::Internal, format!("{index} token caches are open: free some")))?;
        slots.get_or_init(|| Slot::row(FIRST_ROW << row));
        self.rooms.push(Room::default());
        Ok(index)
    }

    /// Not at the load of the library, which many a program never uses.
    fn watch_forks(&mut self) {
        if !self.watching {
            self.watching = true;
            fork::watch(before_fork, in_parent, in_child);
        }
    }
}

/// The slot of a room, if there ever was such a room.
#[inline]
fn slot(index: usize) -> Option<&'static Slot> {
    let (row, column) = place(index);
    SLOTS.get(row)?.get()?.get(column)
}

/// Row and column: row `r` starts at room `FIRST_ROW << r - FIRST_ROW`.
#[inline]
fn place(index: usize) -> (usize, usize) {
    let counted = index + FIRST_ROW;
    let row = counted.ilog2() - FIRST_ROW.ilog2();
    (row as usize, counted - (FIRST_ROW << row))
}

extern "C" fn before_fork() {
    TABLE.before_fork();
}

extern "C" fn in_parent() {
    TABLE.after_fork();
}

extern "C" fn in_child() {
    fork::count();
    SLOTS.iter().filter_map(OnceLock::get).flatten().for_each(Slot::ask_for_attention);
    TABLE.after_fork();
}
