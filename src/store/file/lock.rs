//! Locks on open files that no forked child keeps: a lock lasts until all descriptors of its file are closed.
#![allow(unsafe_code)]

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use crate::runtime::fork::{ForkLock, held_by_forks};

/// Lasts until it is dropped, or until this process ends.
pub(super) struct FileLock(File);

/// The locked files of this process. A forked child closes those that it inherited.
static LOCKED: ForkLock<Vec<RawFd>> = ForkLock::new(Vec::new());

// Without the lock the child must not wait for it: it ends, or calls `exec`.
held_by_forks!(LOCKED, |was_held| {
    if was_held {
        close_all();
    }
});

fn close_all() {
    LOCKED.with(|locked| {
        for file in locked.drain(..) {
            // SAFETY: a descriptor of the parent's fetch thread. Neither that thread nor its File exists in the child.
            unsafe { libc::close(file) };
        }
    });
}

impl FileLock {
    /// Opens a file and locks it, without waiting. `Err`: another one has locked it.
    pub(super) fn try_open(open: impl FnOnce() -> io::Result<File>) -> io::Result<Result<Self, File>> {
        let fork_count = LOCKED.fork_count();
        let file = open()?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(file)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let registered = LOCKED.with(|locked| {
            let was_not_forked = LOCKED.fork_count() == fork_count;
            locked.extend(was_not_forked.then_some(file.as_raw_fd()));
            was_not_forked
        });
        if !registered {
            // A child has inherited the lock, and does not know that it must close it.
            file.unlock()?;
            return Ok(Err(file));
        }
        Ok(Ok(Self(file)))
    }

    pub(super) fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing it is not enough: a child may have inherited it, and not have closed it yet.
        let _ = self.0.unlock();
        LOCKED.with(|locked| locked.retain(|file| *file != self.0.as_raw_fd()));
    }
}
