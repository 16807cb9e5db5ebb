//! A directory on this machine: a file with the token, replaced as a whole, and a file that the lease holder locks.

mod age;
mod lease;
mod lock;
mod private;
mod url;

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bankhub_core::{Error, Lease, Timestamp};

use super::sealed::random;
use super::{Backend, BackendSession, SealedEntry};
use age::Age;
use lease::Observation;
use lock::FileLock;
use private::{cannot, open, prepare_directory};

/// More than the largest sealed token.
const BYTES_MAX: u64 = 16 * 1024;

/// Enough for nearly every sealed token.
const RESERVED: [u8; 4096] = [0; 4096];

pub(super) struct FileStore {
    directory: PathBuf,
    token: PathBuf,
    lock: PathBuf,
    /// Written first, then renamed to `token`.
    new: PathBuf,
}

struct FileSession {
    store: Arc<FileStore>,
    found: Vec<u8>,
    age: Age,
    /// Tells this fetch from all others.
    number: u64,
    lease: Option<FileLock>,
    /// The records of the lease that this session has written.
    records: u64,
    observation: Option<Observation>,
}

impl FileStore {
    pub(super) fn new(url: &str, name: &str) -> Result<Self, Error> {
        let directory = url::directory(url)?;
        let file = |end: &str| directory.join(format!("bankhub-{name}.{end}"));
        Ok(Self { token: file("token"), lock: file("lock"), new: file("new"), directory })
    }
}

impl Backend for FileStore {
    fn open_session(self: Arc<Self>) -> Result<Box<dyn BackendSession>, Error> {
        prepare_directory(&self.directory)?;
        Ok(Box::new(FileSession::new(self)?))
    }
}

impl BackendSession for FileSession {
    fn read(&mut self) -> Result<Option<SealedEntry>, Error> {
        let path = &self.store.token;
        let file = match open(path, OpenOptions::new().read(true)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.age.found_none();
                return Ok(None);
            }
            other => other.map_err(|error| cannot("read", path, &error))?,
        };
        let mut sealed = Vec::new();
        (&file).take(BYTES_MAX).read_to_end(&mut sealed).map_err(|error| cannot("read", path, &error))?;
        self.age.found(&file, sealed != self.found);
        self.found.clone_from(&sealed);
        Ok(Some(SealedEntry { sealed, ends_at: None }))
    }

    fn written_after(&self) -> Option<Duration> {
        self.age.written_after()
    }

    fn acquire_lease(&mut self, duration: Duration) -> Result<Lease, Error> {
        self.try_acquire(duration)
    }

    fn extend_lease(&mut self, duration: Duration) -> Result<bool, Error> {
        self.try_extend(duration)
    }

    fn write(&mut self, sealed: &[u8], _: Timestamp) -> Result<(), Error> {
        let store = Arc::clone(&self.store);
        let FileStore { token, new, .. } = &*store;
        let replace = || {
            let mut file = open(new, OpenOptions::new().write(true))?;
            file.write_all(sealed)?;
            file.set_len(sealed.len() as u64)?;
            fs::rename(new, token)?;
            Ok(file)
        };
        let failed = |error: io::Error| cannot("write", token, &error);
        let written = self.as_holder(|_, _| replace().map_err(failed))?;
        let written = written.ok_or_else(|| failed(io::Error::other("another process has taken over the lease")))?;
        age::check_clock(&written, &store.directory)
    }

    fn remove(&mut self) -> Result<(), Error> {
        let removed = self.as_holder(|session, _| {
            let found = mem::take(&mut session.found);
            if session.read()?.is_none_or(|entry| entry.sealed != found) {
                return Ok(());
            }
            let token = &session.store.token;
            fs::remove_file(token).map_err(|error| cannot("remove", token, &error))
        });
        removed.map(drop)
    }

    fn release_lease(&mut self) {
        // Absent if the token was replaced, and not this session's if it has lost the lease.
        let _ = self.as_holder(|session, _| {
            remove_if_there(&session.store.new);
            Ok(())
        });
        self.lease = None;
    }
}

impl FileSession {
    fn new(store: Arc<FileStore>) -> Result<Self, Error> {
        let number = u64::from_ne_bytes(random()?);
        Ok(Self { store, found: Vec::new(), age: Age::default(), number, lease: None, records: 0, observation: None })
    }
}

impl FileStore {
    fn reserve_space(&self) -> io::Result<()> {
        // A process that was killed may have left one.
        remove_if_there(&self.new);
        open(&self.new, OpenOptions::new().write(true).create_new(true))?.write_all(&RESERVED)
    }
}

fn remove_if_there(path: &Path) {
    let _ = fs::remove_file(path);
}
