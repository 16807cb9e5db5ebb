//! The lease of a store in a directory: a file that its holder keeps locked, with a record that it changes while it
//! lives.
//!
//! The kernel releases the lock of a holder that was killed. One that is stopped keeps it, but its record stays the
//! same: a process that has seen the same record for as long as it promises takes the lease over, with a new file in
//! place of the locked one. So no two processes compare their clocks.
//!
//! Whatever only the holder may do is done under the lock of the directory, for microseconds each time, and so is
//! becoming the holder: nobody becomes it between the check that this process still is and what it does then.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::time::Duration;

use bankhub_core::{Error, Instant, Lease, policy};

use super::lock::FileLock;
use super::private::{cannot, open};
use super::{FileSession, FileStore, remove_if_there};
use crate::runtime::clock;
use crate::runtime::descriptor::open_file;

/// How often, and how far apart, the lock of the directory is tried. It is held for microseconds, unless its holder is
/// stopped just then.
const DIRECTORY_TRIES: u32 = 20;
const DIRECTORY_PAUSE: Duration = Duration::from_millis(5);

/// The holder writes it into the lock file. No two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    holder: u64,
    /// The records of this holder until now.
    number: u64,
    /// The next one follows within this time, in milliseconds.
    lasts_ms: u64,
}

/// A lock file of another process.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    inode: u64,
    /// `None`: its holder has not written it yet.
    record: Option<Record>,
}

/// The lock file of another process as it has been for some time.
pub(super) struct Observation {
    seen: Seen,
    since: Instant,
}

impl Record {
    const BYTES: usize = 3 * size_of::<u64>();

    fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; Self::BYTES];
        if file.read_at(&mut bytes, 0)? < Self::BYTES {
            return Ok(None);
        }
        let (numbers, _) = bytes.as_chunks();
        let [holder, number, lasts_ms] = [0, 1, 2].map(|index: usize| u64::from_ne_bytes(numbers[index]));
        Ok(Some(Self { holder, number, lasts_ms }))
    }

    fn write(&self, file: &File) -> io::Result<()> {
        let numbers = [self.holder, self.number, self.lasts_ms].map(u64::to_ne_bytes);
        file.write_all_at(numbers.as_flattened(), 0)
    }
}

impl Seen {
    fn read(file: &File) -> io::Result<Self> {
        Ok(Self { inode: file.metadata()?.ino(), record: Record::read(file)? })
    }

    fn held(self) -> Lease {
        Lease::HeldByOther(self.record.map_or(0, |record| record.holder))
    }

    fn lasts(self) -> Duration {
        self.record.map_or(policy::LEASE_DURATION, |record| Duration::from_millis(record.lasts_ms))
    }
}

impl FileSession {
    pub(super) fn try_acquire(&mut self, duration: Duration) -> Result<Lease, Error> {
        let store = self.store.clone();
        match store.open_lock()? {
            Ok(lock) => self.take_free(lock, duration),
            Err(locked) => {
                let seen = Seen::read(&locked).map_err(|error| store.cannot_lock(&error))?;
                if self.has_expired(seen) { self.take_over(seen, duration) } else { Ok(seen.held()) }
            }
        }
    }

    /// Nobody else has the lock. But until this process has written its record, the file has that of an earlier holder,
    /// because of which another process may take the lease over.
    fn take_free(&mut self, lock: FileLock, duration: Duration) -> Result<Lease, Error> {
        let store = self.store.clone();
        let directory = store.lock_directory()?;
        if directory.is_none() || !store.is_lock_file(lock.file()) {
            return Ok(Lease::HeldByOther(0));
        }
        self.begin(lock, duration)
    }

    /// Whether the other one's lock file has been like this for as long as it promises.
    fn has_expired(&mut self, seen: Seen) -> bool {
        let now = clock::now().boottime;
        let observation = self.observation.take().filter(|observation| observation.seen == seen);
        let Observation { since, .. } =
            *self.observation.insert(observation.unwrap_or(Observation { seen, since: now }));
        now >= since + seen.lasts()
    }

    /// The other one's lease has expired. Only one of those who have noticed gets it.
    fn take_over(&mut self, expired: Seen, duration: Duration) -> Result<Lease, Error> {
        let store = self.store.clone();
        let Some(_directory) = store.lock_directory()? else { return Ok(expired.held()) };
        let lock = match store.open_lock()? {
            Ok(lock) => lock,
            Err(locked) => {
                let seen = Seen::read(&locked).map_err(|error| store.cannot_lock(&error))?;
                if seen != expired {
                    return Ok(seen.held());
                }
                match store.replace_lock_file().map_err(|error| store.cannot_lock(&error))? {
                    Some(lock) => lock,
                    None => return Ok(expired.held()),
                }
            }
        };
        self.begin(lock, duration)
    }

    /// Under the lock of the directory.
    fn begin(&mut self, lock: FileLock, duration: Duration) -> Result<Lease, Error> {
        self.record(&lock, duration).map_err(|error| self.store.cannot_lock(&error))?;
        // If the disk is full, nobody must wait for a token that cannot be written.
        self.store.reserve_space().map_err(|error| {
            remove_if_there(&self.store.new);
            cannot("write", &self.store.token, &error)
        })?;
        self.lease = Some(lock);
        Ok(Lease::Held)
    }

    pub(super) fn try_extend(&mut self, duration: Duration) -> Result<bool, Error> {
        let extended = self.as_holder(|session, lock| {
            session.record(lock, duration).map_err(|error| session.store.cannot_lock(&error))
        });
        Ok(extended?.is_some())
    }

    fn record(&mut self, lock: &FileLock, duration: Duration) -> io::Result<()> {
        self.records += 1;
        let record = Record { holder: self.number, number: self.records, lasts_ms: duration.as_millis() as u64 };
        record.write(lock.file())
    }

    /// Does what only the lease holder may do. `None`: another process has taken the lease over, or never had this one
    /// the lease.
    pub(super) fn as_holder<R>(
        &mut self,
        act: impl FnOnce(&mut Self, &FileLock) -> Result<R, Error>,
    ) -> Result<Option<R>, Error> {
        let Some(lock) = self.lease.take() else { return Ok(None) };
        let store = self.store.clone();
        let result = store.lock_directory().and_then(|directory| match directory {
            Some(_directory) if store.is_lock_file(lock.file()) => act(self, &lock).map(Some),
            Some(_) => Ok(None),
            None => Err(cannot("lock", &store.directory, &io::Error::other("another process keeps it locked"))),
        });
        self.lease = Some(lock);
        result
    }
}

impl FileStore {
    fn open_lock(&self) -> Result<Result<FileLock, File>, Error> {
        let open_or_create = || open(&self.lock, OpenOptions::new().read(true).write(true).create(true));
        FileLock::try_open(open_or_create).map_err(|error| self.cannot_lock(&error))
    }

    /// `None`: another process has kept it locked.
    fn lock_directory(&self) -> Result<Option<FileLock>, Error> {
        let open_directory = || {
            let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
            open_file(&self.directory, OpenOptions::new().read(true).custom_flags(flags))
        };
        for _ in 0..DIRECTORY_TRIES {
            let lock = FileLock::try_open(open_directory).map_err(|error| cannot("lock", &self.directory, &error))?;
            if lock.is_ok() {
                return Ok(lock.ok());
            }
            #[expect(clippy::disallowed_methods, reason = "other processes' short work")]
            std::thread::sleep(DIRECTORY_PAUSE);
        }
        Ok(None)
    }

    /// Whether the lock file is this one, and not another one in its place.
    fn is_lock_file(&self, file: &File) -> bool {
        let identity = |found: fs::Metadata| (found.dev(), found.ino());
        let there = fs::symlink_metadata(&self.lock).map(identity);
        there.is_ok_and(|there| file.metadata().map(identity).is_ok_and(|this| this == there))
    }

    /// Puts a new, locked file in place of the one that a stopped process keeps locked. `None`: a fork came between.
    fn replace_lock_file(&self) -> io::Result<Option<FileLock>> {
        let new = &self.new;
        remove_if_there(new);
        open(new, OpenOptions::new().write(true).create_new(true))?;
        let Ok(lock) = FileLock::try_open(|| open(new, OpenOptions::new().read(true).write(true)))? else {
            return Ok(None);
        };
        fs::rename(new, &self.lock)?;
        Ok(Some(lock))
    }

    fn cannot_lock(&self, error: &io::Error) -> Error {
        cannot("lock", &self.lock, error)
    }
}

#[cfg(test)]
mod tests;
