//! A directory tells about the clocks of the machines that share it: it times its files by its own.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use bankhub_core::{Error, Status, policy};

use crate::runtime::clock;

/// How old the entry can be that was found last. All times are of wall clocks.
#[derive(Default)]
pub(super) struct Age {
    /// When the file was read last, by the clock here.
    read_at: Option<Duration>,
    written_after: Option<Duration>,
}

impl Age {
    pub(super) fn found(&mut self, file: &File, is_new: bool) {
        let read_before = self.read_at.replace(clock::now().realtime).filter(|_| is_new);
        self.written_after = read_before.max(modified(file).ok());
    }

    pub(super) fn found_none(&mut self) {
        *self = Self { read_at: Some(clock::now().realtime), written_after: None };
    }

    pub(super) fn written_after(&self) -> Option<Duration> {
        self.written_after
    }
}

/// Fails if a file that was written just now has another time than it is here.
pub(super) fn check_clock(written: &File, directory: &Path) -> Result<(), Error> {
    let Ok(modified) = modified(written) else { return Ok(()) };
    let apart = modified.abs_diff(clock::now().realtime);
    if apart <= policy::CLOCK_SKEW_MAX {
        return Ok(());
    }
    let (directory, minutes) = (directory.display(), (apart.as_secs() + 30) / 60);
    let problem = format!(
        "the store in '{directory}' has a clock that is {minutes} minutes apart from this machine's; \
         set the clocks of the machines that share it"
    );
    Err(Error::new(Status::Unavailable, problem))
}

fn modified(file: &File) -> io::Result<Duration> {
    Ok(file.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default())
}
