//! A writer that stops at any instruction: a process of its own in shared memory, traced step by step. After each step
//! a reader finds a whole token, and a child forked there can publish.

use std::ptr;

use super::tests::{OWNER, SENT, TIME, left_over, publish, read};
use super::*;

const OLD: &str = "5e79c1a0-the-token-that-is-replaced";
const NEW: &str = "b2f4d803-the-one-that-replaces-it-and-is-longer";

/// Runs `write` step by step in a child process, and `check` in this one before each step.
fn step_through(write: impl FnOnce(), mut check: impl FnMut()) {
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
        check();
        // SAFETY: the child is stopped and traced by this thread.
        let stepped = unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, child, none, none) };
        assert_eq!(stepped, 0, "ptrace: {}", std::io::Error::last_os_error());
    }
}

/// A published token that a child process shares.
fn shared() -> &'static PublishedToken {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: new memory of the system's choice, all 0, which is a published token, and never given back.
    unsafe {
        let memory = libc::mmap(ptr::null_mut(), size_of::<PublishedToken>(), access, kind, -1, 0);
        assert_ne!(memory, libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
        &*memory.cast::<PublishedToken>()
    }
}

/// The copy that a forked child gets.
fn forked(published: &PublishedToken) -> Box<[PublishedToken]> {
    let mut copy = Box::<[PublishedToken]>::new_uninit_slice(1);
    // SAFETY: the only writer is stopped.
    unsafe {
        ptr::copy_nonoverlapping(ptr::from_ref(published), copy[0].as_mut_ptr(), 1);
        copy.assume_init()
    }
}

/// At every step of the write, a reader gets one of these, and never an earlier one again. A child inherits the same,
/// and can publish again.
#[track_caller]
fn check(expected: [Option<(&str, u64)>; 2], write: impl Fn(&PublishedToken)) {
    let published = shared();
    published.set_owner(OWNER);
    publish(published, OLD, 1, None);
    let (mut steps, mut changes) = (0, Vec::new());
    step_through(
        || write(published),
        || {
            let token = read(published, OWNER, TIME).map(|(text, generation, _)| (text, generation));
            let child = forked(published);
            let (generation, inherited) = child[0].inherit();
            assert_eq!(inherited.map(|token| (token.value.expose().to_owned(), generation)), token, "step {steps}");
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
fn reads_a_whole_token_at_every_instruction_of_a_replacement() {
    check([Some((OLD, 1)), Some((NEW, 2))], |published| publish(published, NEW, 2, None));
}

#[test]
fn reads_a_whole_token_or_none_at_every_instruction_of_a_withdrawal() {
    check([Some((OLD, 1)), None], |published| published.publish(None, 1, TIME, SENT));
}
