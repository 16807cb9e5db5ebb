//! Keeps this library's descriptors above 2. A program that has closed its standard streams may still write log lines
//! to 1 and 2, and what it opens next, or this library, gets those numbers.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
#[cfg(unix)]
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// The same file or socket under a number above 2. For a socket, call it before `connect`: nothing can be sent before.
///
/// The descriptor has its first number for some microseconds: no system can open one at another number.
#[cfg(unix)]
pub(crate) fn above_standard_streams<T: From<OwnedFd> + Into<OwnedFd>>(opened: T) -> io::Result<T> {
    let descriptor: OwnedFd = opened.into();
    if descriptor.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(descriptor.into());
    }
    descriptor.try_clone().map(T::from) // for the same reason, std gives a clone a number above 2
}

#[cfg(not(unix))]
pub(crate) fn above_standard_streams<T>(opened: T) -> io::Result<T> {
    Ok(opened)
}

pub(crate) fn open_file(path: &Path, options: &OpenOptions) -> io::Result<File> {
    #[expect(clippy::disallowed_methods, reason = "this is the file that opens files")]
    options.open(path).and_then(above_standard_streams)
}

/// The whole file.
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    open_file(path, OpenOptions::new().read(true))?.read_to_end(&mut contents)?;
    Ok(contents)
}

#[cfg(test)]
mod tests;
