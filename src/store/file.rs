//! A directory on this machine: a file with the token, replaced as a whole, and one that is locked by who fetches.
#![allow(unsafe_code)]

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sealed::random;
use super::{Lying, Shelf, failed, wrong};
use crate::error::Error;
use crate::life::Moment;
use crate::runtime::fork::{ForkLock, held_by_forks};
use crate::turn::Lease;

/// More than a sealed token takes.
const BYTES_MAX: u64 = 16 * 1024;

/// What nearly every sealed token takes.
const ROOM: [u8; 4096] = [0; 4096];

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// What nobody but the owner may have.
const OTHERS: u32 = 0o077;

pub(super) struct Folder {
    path: PathBuf,
    token: PathBuf,
    lock: PathBuf,
    /// What is to replace the token.
    new: PathBuf,
}

pub(super) struct FolderVisit<'f> {
    folder: &'f Folder,
    found: Vec<u8>,
    lease: Option<File>,
}

/// The locks that fetches of this process hold. A lock lasts until all descriptors of its file are closed, also those
/// that a forked child has inherited, which therefore closes them.
static LEASES: ForkLock<Vec<RawFd>> = ForkLock::new(Vec::new());

// Without the lock, which this could wait for, the child is to end, or to call `exec`, as it is.
held_by_forks!(LEASES, |was_held| {
    if was_held {
        close_all();
    }
});

fn close_all() {
    LEASES.with(|leases| {
        for lease in leases.drain(..) {
            // SAFETY: a descriptor of the parent's fetch thread, which is not there any more, and neither is its File.
            unsafe { libc::close(lease) };
        }
    });
}

impl Folder {
    pub(super) fn new(path: &str, name: &str) -> Result<Self, Error> {
        let path = PathBuf::from(path);
        if !path.is_absolute() || path.parent().is_none() {
            return Err(wrong("names no directory by its full path; expected file:/DIR"));
        }
        let file = |end: &str| path.join(format!("bankhub-{name}.{end}"));
        Ok(Self { token: file("token"), lock: file("lock"), new: file("new"), path })
    }

    pub(super) fn visit(&self) -> Result<FolderVisit<'_>, Error> {
        let created = DirBuilder::new().mode(DIRECTORY_MODE).create(&self.path);
        match &created {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                // It may be there all the same: a read-only system says first that it is read-only.
                fs::symlink_metadata(&self.path).map_err(|_| cannot("create", &self.path, error))?;
            }
            _ => {}
        }
        let found = fs::symlink_metadata(&self.path).map_err(|error| cannot("use", &self.path, &error))?;
        if !found.is_dir() || !is_private(&found) {
            let shown = self.path.display();
            return Err(failed(format!("'{shown}' is no directory of this user's alone (owner, chmod 700, no link)")));
        }
        if created.is_ok() && found.mode() & DIRECTORY_MODE != DIRECTORY_MODE {
            // A umask has taken what this user needs.
            let whole = fs::set_permissions(&self.path, Permissions::from_mode(DIRECTORY_MODE));
            whole.map_err(|error| cannot("use", &self.path, &error))?;
        }
        Ok(FolderVisit { folder: self, found: Vec::new(), lease: None })
    }
}

impl Shelf for FolderVisit<'_> {
    fn read(&mut self) -> Result<Option<Lying>, Error> {
        let path = &self.folder.token;
        let file = match open(path, OpenOptions::new().read(true)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| cannot("read", path, &error))?,
        };
        let mut sealed = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut sealed).map_err(|error| cannot("read", path, &error))?;
        self.found.clone_from(&sealed);
        Ok(Some(Lying { sealed, end: None }))
    }

    fn lease(&mut self, _: Duration) -> Result<Lease, Error> {
        let path = &self.folder.lock;
        let failed = |error: io::Error| cannot("lock", path, &error);
        let fork_count = LEASES.fork_count();
        let mut file = open(path, OpenOptions::new().read(true).write(true).create(true)).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = [0; size_of::<u64>()];
                // Written after the lock was taken: it may not be there yet.
                let _ = file.read(&mut owner).map_err(failed)?;
                return Ok(Lease::Others(u64::from_ne_bytes(owner)));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let unnoticed = LEASES.with(|leases| {
            let unnoticed = LEASES.fork_count() == fork_count;
            leases.extend(unnoticed.then_some(file.as_raw_fd()));
            unnoticed
        });
        if !unnoticed {
            // A child has the lock as well, and nobody to close it there.
            file.unlock().map_err(failed)?;
            return Ok(Lease::Others(0));
        }
        // Without it whoever waits cannot tell one holder from the next, and waits for a shorter time.
        let _ = random::<{ size_of::<u64>() }>().is_ok_and(|owner| file.write_all(&owner).is_ok());
        self.lease = Some(file);
        // On a full disk nobody is to wait for a token that cannot be put there.
        self.make_room().map_err(|error| {
            self.end_lease();
            cannot("write", &self.folder.token, &error)
        })?;
        Ok(Lease::Held)
    }

    fn write(&mut self, sealed: &[u8], _: Moment) -> Result<(), Error> {
        let Folder { token, new, .. } = self.folder;
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
        if self.read()?.is_none_or(|lying| lying.sealed != found) {
            return Ok(());
        }
        let token = &self.folder.token;
        fs::remove_file(token).map_err(|error| cannot("remove", token, &error))
    }

    fn end_lease(&mut self) {
        if let Some(file) = self.lease.take() {
            // It is not there any more if the token was replaced.
            let _ = fs::remove_file(&self.folder.new);
            // Not by closing it alone: a child may have been forked meanwhile, and not have closed it yet.
            let _ = file.unlock();
            LEASES.with(|leases| leases.retain(|lease| *lease != file.as_raw_fd()));
        }
    }
}

impl FolderVisit<'_> {
    fn make_room(&self) -> io::Result<()> {
        let new = &self.folder.new;
        // What a process that was killed has left.
        let _ = fs::remove_file(new);
        open(new, OpenOptions::new().write(true).create_new(true))?.write_all(&ROOM)
    }
}

/// Opens a file of this user's alone, not through a link, and without waiting for a pipe's other end.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.mode(FILE_MODE).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || !is_private(&found) {
        return Err(io::Error::other("it is not a file of this user's alone"));
    }
    if found.mode() & FILE_MODE != FILE_MODE {
        // A umask has taken what the next one who opens it needs. It stays so where the directory is read-only.
        let _ = file.set_permissions(Permissions::from_mode(FILE_MODE));
    }
    Ok(file)
}

fn is_private(found: &fs::Metadata) -> bool {
    // SAFETY: it takes nothing, and cannot fail.
    let user = unsafe { libc::geteuid() };
    found.uid() == user && found.mode() & OTHERS == 0
}

fn cannot(act: &str, path: &Path, error: &io::Error) -> Error {
    failed(format!("cannot {act} '{}': {error}", path.display()))
}
