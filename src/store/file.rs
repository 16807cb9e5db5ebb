//! A directory on this machine: a file with the token, replaced as a whole, and a file that the lease holder locks.
#![allow(unsafe_code)]

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bankhub_core::{Error, Lease, Timestamp};

use super::sealed::random;
use super::{Backend, BackendSession, SealedEntry, failed, invalid};
use crate::runtime::descriptor::open_file;
use crate::runtime::fork::{ForkLock, held_by_forks};

/// More than the largest sealed token.
const BYTES_MAX: u64 = 16 * 1024;

/// Enough for nearly every sealed token.
const RESERVED: [u8; 4096] = [0; 4096];

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// The permissions that only the owner may have.
const OTHERS: u32 = 0o077;

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
    lease: Option<File>,
}

/// The locks that fetches of this process hold. A lock lasts until all descriptors of its file are closed, so a forked
/// child closes those that it inherited.
static LEASES: ForkLock<Vec<RawFd>> = ForkLock::new(Vec::new());

// Without the lock the child must not wait for it: it ends, or calls `exec`.
held_by_forks!(LEASES, |was_held| {
    if was_held {
        close_all();
    }
});

fn close_all() {
    LEASES.with(|leases| {
        for lease in leases.drain(..) {
            // SAFETY: a descriptor of the parent's fetch thread. Neither that thread nor its File exists in the child.
            unsafe { libc::close(lease) };
        }
    });
}

impl FileStore {
    pub(super) fn new(path: &str, name: &str) -> Result<Self, Error> {
        let directory = PathBuf::from(path);
        if !directory.is_absolute() || directory.parent().is_none() {
            return Err(invalid("must name a directory by its full path: file:/DIR"));
        }
        let file = |end: &str| directory.join(format!("bankhub-{name}.{end}"));
        Ok(Self { token: file("token"), lock: file("lock"), new: file("new"), directory })
    }

    fn prepare_directory(&self) -> Result<(), Error> {
        let directory = &self.directory;
        let created = DirBuilder::new().mode(DIRECTORY_MODE).create(directory);
        match &created {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                // It may exist all the same: a read-only file system reports first that it is read-only.
                fs::symlink_metadata(directory).map_err(|_| cannot("create", directory, error))?;
            }
            _ => {}
        }
        let found = fs::symlink_metadata(directory).map_err(|error| cannot("use", directory, &error))?;
        if !found.is_dir() || !is_private(&found) {
            let problem = "must be a directory that this user owns, with mode 0700, and not a symbolic link";
            return Err(failed(format!("cannot be used: '{}' {problem}", directory.display())));
        }
        if created.is_ok() && found.mode() & DIRECTORY_MODE != DIRECTORY_MODE {
            // A umask has removed permissions that this user needs.
            let repaired = fs::set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE));
            repaired.map_err(|error| cannot("use", directory, &error))?;
        }
        Ok(())
    }
}

impl Backend for FileStore {
    fn open_session(self: Arc<Self>) -> Result<Box<dyn BackendSession>, Error> {
        self.prepare_directory()?;
        Ok(Box::new(FileSession { store: self, found: Vec::new(), lease: None }))
    }
}

impl BackendSession for FileSession {
    fn read(&mut self) -> Result<Option<SealedEntry>, Error> {
        let path = &self.store.token;
        let file = match open(path, OpenOptions::new().read(true)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| cannot("read", path, &error))?,
        };
        let mut sealed = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut sealed).map_err(|error| cannot("read", path, &error))?;
        self.found.clone_from(&sealed);
        Ok(Some(SealedEntry { sealed, ends_at: None }))
    }

    fn acquire_lease(&mut self, _: Duration) -> Result<Lease, Error> {
        let store = Arc::clone(&self.store);
        let path = &store.lock;
        let failed = |error: io::Error| cannot("lock", path, &error);
        let fork_count = LEASES.fork_count();
        let mut file = open(path, OpenOptions::new().read(true).write(true).create(true)).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = [0; size_of::<u64>()];
                // The holder writes it after it has locked the file, so it may be absent.
                let _ = file.read(&mut holder).map_err(failed)?;
                return Ok(Lease::HeldByOther(u64::from_ne_bytes(holder)));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let registered = LEASES.with(|leases| {
            let was_not_forked = LEASES.fork_count() == fork_count;
            leases.extend(was_not_forked.then_some(file.as_raw_fd()));
            was_not_forked
        });
        if !registered {
            // A child has inherited the lock, and does not know that it must close it.
            file.unlock().map_err(failed)?;
            return Ok(Lease::HeldByOther(0));
        }
        // Without it a waiting process cannot tell one holder from the next, and waits for a shorter time.
        let _ = random::<{ size_of::<u64>() }>().is_ok_and(|holder| file.write_all(&holder).is_ok());
        self.lease = Some(file);
        // If the disk is full, nobody must wait for a token that cannot be written.
        self.reserve_space().map_err(|error| {
            self.release_lease();
            cannot("write", &self.store.token, &error)
        })?;
        Ok(Lease::Held)
    }

    fn extend_lease(&mut self, _: Duration) -> Result<bool, Error> {
        Ok(self.lease.is_some())
    }

    fn write(&mut self, sealed: &[u8], _: Timestamp) -> Result<(), Error> {
        let FileStore { token, new, .. } = &*self.store;
        let replace = || {
            let mut file = open(new, OpenOptions::new().write(true))?;
            file.write_all(sealed)?;
            file.set_len(sealed.len() as u64)?;
            fs::rename(new, token)
        };
        replace().map_err(|error| cannot("write", token, &error))
    }

    fn remove(&mut self) -> Result<(), Error> {
        let found = mem::take(&mut self.found);
        if self.read()?.is_none_or(|entry| entry.sealed != found) {
            return Ok(());
        }
        let token = &self.store.token;
        fs::remove_file(token).map_err(|error| cannot("remove", token, &error))
    }

    fn release_lease(&mut self) {
        if let Some(file) = self.lease.take() {
            // Absent if the token was replaced.
            let _ = fs::remove_file(&self.store.new);
            // Closing it is not enough: a child may have inherited it, and not have closed it yet.
            let _ = file.unlock();
            LEASES.with(|leases| leases.retain(|lease| *lease != file.as_raw_fd()));
        }
    }
}

impl FileSession {
    fn reserve_space(&self) -> io::Result<()> {
        let new = &self.store.new;
        // A process that was killed may have left one.
        let _ = fs::remove_file(new);
        open(new, OpenOptions::new().write(true).create_new(true))?.write_all(&RESERVED)
    }
}

/// Opens a file that only this user may use, not through a link, and without waiting for a pipe's other end.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = open_file(path, options.mode(FILE_MODE).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK))?;
    let found = file.metadata()?;
    if !found.is_file() || !is_private(&found) {
        return Err(io::Error::other("it must be a regular file that this user owns, with mode 0600"));
    }
    if found.mode() & FILE_MODE != FILE_MODE {
        // A umask has removed permissions that are needed to open it again. In a read-only directory this fails.
        let _ = file.set_permissions(Permissions::from_mode(FILE_MODE));
    }
    Ok(file)
}

fn is_private(found: &fs::Metadata) -> bool {
    // SAFETY: it has no arguments and cannot fail.
    let user = unsafe { libc::geteuid() };
    found.uid() == user && found.mode() & OTHERS == 0
}

fn cannot(act: &str, path: &Path, error: &io::Error) -> Error {
    failed(format!("cannot {act} '{}': {error}", path.display()))
}
