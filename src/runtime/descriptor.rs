//! Keeps this library's descriptors above 2. A program that has closed its standard streams may still write log lines
//! to 1 and 2, and whatever is opened next gets those numbers.

#[cfg(target_os = "linux")]
mod placeholders;

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
#[cfg(unix)]
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

#[cfg(target_os = "linux")]
pub(crate) use placeholders::while_0_to_2_are_taken;

/// Other systems have no descriptor that can be neither read nor written.
#[cfg(not(target_os = "linux"))]
pub(crate) fn while_0_to_2_are_taken<R>(open: impl FnOnce() -> R) -> R {
    open()
}

/// Opens a file or a socket with a number above 2. A socket is to be connected afterwards: on other systems than Linux
/// it has its first number for an instant, and nothing can be written to it before it is connected.
#[cfg(unix)]
pub(crate) fn open_above_2<T: From<OwnedFd> + Into<OwnedFd>>(open: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let opened: OwnedFd = while_0_to_2_are_taken(open)?.into();
    if opened.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(opened.into());
    }
    opened.try_clone().map(T::from) // for the same reason, std gives a clone a number above 2
}

#[cfg(not(unix))]
pub(crate) fn open_above_2<T>(open: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    open()
}

pub(crate) fn open_file(path: &Path, options: &OpenOptions) -> io::Result<File> {
    #[expect(clippy::disallowed_methods, reason = "this is the file that opens files")]
    open_above_2(|| options.open(path))
}

/// The whole file.
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    open_file(path, OpenOptions::new().read(true))?.read_to_end(&mut contents)?;
    Ok(contents)
}

#[cfg(test)]
mod tests;
