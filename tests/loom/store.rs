//! A store that the caches of a model share: one token and one lease. It fails when a model says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use bankhub_core::{Error, Lease, Status, StoredEntry};
use loom::sync::Mutex;

#[derive(Clone)]
pub(crate) struct Store(Arc<Inner>);

struct Inner {
    content: Mutex<Content>,
    fails: AtomicBool,
}

#[derive(Default)]
struct Content {
    entry: StoredEntry,
    holder: Option<u64>,
    sessions: u64,
}

#[derive(Default)]
pub(crate) struct Heartbeat;

pub(crate) struct StoreSession<'s> {
    store: &'s Store,
    number: u64,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner { content: Mutex::default(), fails: AtomicBool::new(false) }))
    }

    pub(crate) fn fail(&self) {
        self.0.fails.store(true, SeqCst);
    }

    /// The token in it, and whether the lease is free.
    pub(crate) fn content(&self) -> (Option<String>, bool) {
        let content = self.0.content.lock().unwrap();
        (content.entry.token.as_ref().map(|token| token.value.expose().to_owned()), content.holder.is_none())
    }

    pub(crate) fn open_session(&self) -> Result<StoreSession<'_>, Error> {
        if self.0.fails.load(SeqCst) {
            return Err(Error::new(Status::Unavailable, "the store fails"));
        }
        let mut content = self.0.content.lock().unwrap();
        content.sessions += 1;
        Ok(StoreSession { store: self, number: content.sessions })
    }
}

impl StoreSession<'_> {
    pub(crate) fn read(&mut self) -> Result<StoredEntry, Error> {
        Ok(self.store.0.content.lock().unwrap().entry.clone())
    }

    pub(crate) fn acquire_lease(&mut self) -> Result<Lease, Error> {
        let holder = *self.store.0.content.lock().unwrap().holder.get_or_insert(self.number);
        Ok(if holder == self.number { Lease::Held } else { Lease::HeldByOther(holder) })
    }

    /// Time stands still during a request.
    pub(crate) fn heartbeat(&self) -> Heartbeat {
        Heartbeat
    }

    pub(crate) fn extend_lease(&mut self) -> Result<bool, Error> {
        Ok(self.store.0.content.lock().unwrap().holder == Some(self.number))
    }

    pub(crate) fn write(&mut self, entry: &StoredEntry) -> Result<(), Error> {
        let mut content = self.store.0.content.lock().unwrap();
        assert_eq!(content.holder, Some(self.number), "written without the lease");
        content.entry = entry.clone();
        Ok(())
    }

    pub(crate) fn remove(&mut self) -> Result<(), Error> {
        self.store.0.content.lock().unwrap().entry = StoredEntry::default();
        Ok(())
    }
}

impl Drop for StoreSession<'_> {
    fn drop(&mut self) {
        self.store.0.content.lock().unwrap().holder.take_if(|holder| *holder == self.number);
    }
}
