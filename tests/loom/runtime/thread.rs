//! Starts a thread, unless a model is to see what happens without.

use std::cell::{Cell, RefCell};
use std::io;

use loom::thread::JoinHandle;

thread_local! {
    static STARTS: Cell<bool> = const { Cell::new(true) };
    static STARTED: RefCell<Vec<JoinHandle<()>>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn let_threads_start(start: bool) {
    STARTS.set(start);
}

pub(crate) fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    if !STARTS.get() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let thread = loom::thread::spawn(work);
    STARTED.with_borrow_mut(|started| started.push(thread));
    Ok(())
}

/// Until all that were started have ended.
pub(crate) fn wait_for_all() {
    for thread in STARTED.take() {
        thread.join().unwrap();
    }
}
