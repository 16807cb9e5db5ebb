//! Takes the numbers 0 to 2 while something is opened, so that it gets another number.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

use crate::runtime::fork::{ForkLock, held_by_forks};

static PLACEHOLDERS: ForkLock<Placeholders> = ForkLock::new(Placeholders { users: 0, open: Vec::new() });

// A child has no thread that would release what its parent's threads took.
held_by_forks!(PLACEHOLDERS, |was_held| {
    if was_held {
        PLACEHOLDERS.with(Placeholders::close);
    }
});

struct Placeholders {
    users: usize,
    open: Vec<RawFd>,
}

/// Calls what opens descriptors itself, such as a name lookup. The numbers of closed standard streams are taken
/// meanwhile, by descriptors that can be neither read nor written: a program that tries it gets the same error as
/// before.
pub(crate) fn while_0_to_2_are_taken<R>(open: impl FnOnce() -> R) -> R {
    struct Taken;
    impl Drop for Taken {
        fn drop(&mut self) {
            PLACEHOLDERS.with(Placeholders::release);
        }
    }
    PLACEHOLDERS.with(Placeholders::take);
    let _taken = Taken;
    open()
}

impl Placeholders {
    fn take(&mut self) {
        self.users += 1;
        // Each has the lowest free number. If none is free, the caller will notice.
        while let Some(lowest) = placeholder().filter(|lowest| lowest.as_raw_fd() <= libc::STDERR_FILENO) {
            self.open.push(lowest.into_raw_fd());
        }
    }

    fn release(&mut self) {
        self.users = self.users.saturating_sub(1); // 0 in a child that was forked meanwhile
        if self.users == 0 {
            self.close();
        }
    }

    fn close(&mut self) {
        self.users = 0;
        for number in self.open.drain(..) {
            // The program may have opened a stream there meanwhile, which is no O_PATH.
            // SAFETY: any number may be asked for its flags; the descriptor of a placeholder belongs to nobody else.
            unsafe {
                let flags = libc::fcntl(number, libc::F_GETFL);
                if flags != -1 && flags & libc::O_PATH != 0 {
                    libc::close(number);
                }
            }
        }
    }
}

fn placeholder() -> Option<File> {
    #[expect(clippy::disallowed_methods, reason = "it is to have a number below 3")]
    OpenOptions::new().read(true).custom_flags(libc::O_PATH).open("/").ok()
}
