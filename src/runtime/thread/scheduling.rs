//! The processors, the scheduling policy and the nice value of a fetch thread are those of the program, not those of
//! the thread that called first: other callers wait for it, and a real-time thread may leave it no time to run.
#![allow(unsafe_code)]

use std::mem;
use std::os::unix::thread::JoinHandleExt;
use std::sync::OnceLock;
use std::thread::JoinHandle;

use libc::{cpu_set_t, pid_t};

/// Of the program's main thread when the library was loaded. A system that does not tell, or has more processors than
/// fit, leaves the thread as it is.
static OF_THE_PROGRAM: OnceLock<Scheduling> = OnceLock::new();

const THIS_THREAD: pid_t = 0;

struct Scheduling {
    processors: Option<cpu_set_t>,
    policy: i32,
    parameters: libc::sched_param,
    nice: i32,
}

impl Scheduling {
    fn of(thread: pid_t) -> Self {
        // SAFETY: zeros are valid values of these structs, and the calls write no more than that.
        unsafe {
            let mut processors = mem::zeroed();
            let mut parameters = mem::zeroed();
            let found = libc::sched_getaffinity(thread, size_of::<cpu_set_t>(), &raw mut processors) == 0;
            libc::sched_getparam(thread, &raw mut parameters);
            Self {
                processors: found.then_some(processors),
                policy: libc::sched_getscheduler(thread) & !libc::SCHED_RESET_ON_FORK,
                parameters,
                nice: nice(thread),
            }
        }
    }
}

/// Called by the thread that has started another one, which may not get to run before.
///
/// A value that is the same already is not set: where a program may not do that, systemd for example ends it.
pub(super) fn set_to_program<T>(started: &JoinHandle<T>) {
    let Some(program) = OF_THE_PROGRAM.get() else { return };
    let inherited = Scheduling::of(THIS_THREAD);
    let thread = started.as_pthread_t() as libc::pthread_t;
    // SAFETY: the thread is neither joined nor detached yet, so its number is valid. A refusal changes nothing.
    unsafe {
        if let (Some(wanted), Some(has)) = (&program.processors, &inherited.processors)
            && !libc::CPU_EQUAL(wanted, has)
        {
            libc::pthread_setaffinity_np(thread, size_of::<cpu_set_t>(), wanted);
        }
        let priority = |scheduling: &Scheduling| scheduling.parameters.sched_priority;
        if program.policy != inherited.policy || priority(program) != priority(&inherited) {
            libc::pthread_setschedparam(thread, program.policy, &program.parameters);
        }
    }
}

/// Called by the new thread: only itself knows its number.
pub(super) fn set_own_nice_to_program() {
    let Some(program) = OF_THE_PROGRAM.get() else { return };
    if nice(THIS_THREAD) != program.nice {
        // SAFETY: it has no requirements. A smaller value than the caller's takes a privilege.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, THIS_THREAD as libc::id_t, program.nice) };
    }
}

fn nice(thread: pid_t) -> i32 {
    // SAFETY: it has no requirements.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, thread as libc::id_t) }
}

extern "C" fn remember() {
    // SAFETY: it has no requirements. The main thread has the number of the process.
    let _ = OF_THE_PROGRAM.set(Scheduling::of(unsafe { libc::getpid() }));
}

#[used]
// SAFETY: the loader expects an array of such functions in this section, and calls each.
#[unsafe(link_section = ".init_array")]
static REMEMBER: extern "C" fn() = remember;
