//! A writer that is stopped at whatever instruction: a process of its own in shared memory, which is traced and takes
//! one step at a time. After each, a reader finds a whole token, and a child forked there could go on.

use std::ptr;

use super::tests::{OWNER, SENT, TIME, left_over, publish, read};
use super::*;

const OLD: &str = "5e79c1a0-the-token-that-is-replaced";
const NEW: &str = "b2f4d803-the-one-that-replaces-it-and-is-longer";

/// Runs `write` step by step in a child process, and `look` in this one before each step.
fn step_through(write: impl FnOnce(), mut look: impl FnMut()) {
    let none = ptr::null_mut::<libc::c_void>();
    // SAFETY: the child only writes what is shared with it, raises a signal and exits.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: as above.
        unsafe {
            if libc::ptrace(libc::PTRACE_TRACEME, 0, none, none) != 0 {
                libc::_exit(1);
            }
            libc::raise(libc::SIGSTOP);
            write();
            libc::_exit(0);
        }
    }
    loop {
        let mut status = 0;
        // SAFETY: `status` is writable, and the child is this thread's own.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        if libc::WIFEXITED(status) {
            assert_eq!(libc::WEXITSTATUS(status), 0);
            return;
        }
        assert!(libc::WIFSTOPPED(status), "the writer ended with {status}");
        look();
        // SAFETY: the child is stopped and traced by this thread.
        let stepped = unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, child, none, none) };
        assert_eq!(stepped, 0, "ptrace: {}", std::io::Error::last_os_error());
    }
}

/// A slot that a child process shares.
fn shared() -> &'static Slot {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: new memory of the system's choice, all 0, which is a slot, and never given back.
    unsafe {
        let memory = libc::mmap(ptr::null_mut(), size_of::<Slot>(), access, kind, -1, 0);
        assert_ne!(memory, libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
        &*memory.cast::<Slot>()
    }
}

/// What a fork leaves to the child.
fn forked(slot: &Slot) -> Box<[Slot]> {
    let mut copy = Box::<[Slot]>::new_uninit_slice(1);
    // SAFETY: the only writer is stopped.
    unsafe {
        ptr::copy_nonoverlapping(ptr::from_ref(slot), copy[0].as_mut_ptr(), 1);
        copy.assume_init()
    }
}

/// At every step of the write, what is read is one of these, and never again one before it; and the same is inherited
/// by a child, who can publish anew.
#[track_caller]
fn check(expected: [Option<(&str, u64)>; 2], write: impl Fn(&Slot)) {
    let slot = shared();
    slot.set_owner(OWNER);
    publish(slot, OLD, 1, None);
    let (mut steps, mut changes) = (0, Vec::new());
    step_through(
        || write(slot),
        || {
            let token = read(slot, OWNER, TIME).map(|(text, generation, _)| (text, generation));
            let child = forked(slot);
            let (generation, grant) = child[0].inherit();
            assert_eq!(grant.map(|grant| (grant.value.expose().to_owned(), generation)), token, "step {steps}");
            if changes.last() != Some(&token) {
                changes.push(token);
            }
            publish(&child[0], "the child's", 9, None);
            assert_eq!(read(&child[0], OWNER, TIME), Some(("the child's".to_owned(), 9, false)), "step {steps}");
            assert_eq!(left_over(&child[0]), "the child's".len(), "step {steps}: what was half written is wiped");
            steps += 1;
        },
    );
    assert_eq!(changes, expected.map(|token| token.map(|(text, generation)| (text.to_owned(), generation))));
}

#[test]
fn at_every_instruction_of_a_replacement_a_whole_token_is_read() {
    check([Some((OLD, 1)), Some((NEW, 2))], |slot| publish(slot, NEW, 2, None));
}

#[test]
fn at_every_instruction_of_a_withdrawal_a_whole_token_is_read_or_none() {
    check([Some((OLD, 1)), None], |slot| slot.publish(None, 1, TIME, SENT));
}
