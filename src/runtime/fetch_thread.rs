//! The thread of a fetch: carries out what `bankhub_core::Fetch` asks for, and reports what happened.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bankhub_core::{Action, Error, Event, Fetch, Status, StoredEntry};

use super::cache::{Cache, jitter};
use super::clock;
use crate::store::StoreSession;

impl Cache {
    /// Runs the fetch that the state has begun. A panic is a failure like any other: waiting callers must be told.
    pub(super) fn run_fetch(&self) {
        if catch_unwind(AssertUnwindSafe(|| self.carry_out_fetch())).is_ok() {
            return;
        }
        // Without the panic's own text, which could contain anything.
        let error = Error::new(Status::Internal, "the fetch of a token panicked; please report this");
        self.lock().tokens.fetch_panicked(error, clock::now(), jitter());
    }

    fn carry_out_fetch(&self) {
        let mut fetch = Fetch::new();
        let mut session = None;
        let mut event = Event::Started;
        loop {
            let action = fetch.step(event, &mut self.lock().tokens, clock::now(), jitter());
            event = match action {
                Action::ReadStore => store_event(self.read_store(&mut session).map(Event::StoreRead)),
                Action::AcquireLease => store_event(open(&mut session).acquire_lease().map(Event::LeaseObserved)),
                Action::Remove => store_event(open(&mut session).remove().map(|()| Event::Removed)),
                Action::ExtendLease => store_event(open(&mut session).extend_lease().map(Event::LeaseExtended)),
                Action::Write(entry) => store_event(open(&mut session).write(entry).map(|()| Event::Written)),
                Action::Release => {
                    session = None;
                    Event::Released
                }
                Action::Send => {
                    let heartbeat = session.as_ref().map(StoreSession::heartbeat).unwrap_or_default();
                    Event::Response(self.endpoint.send(heartbeat))
                }
                Action::SleepUntil(at) => {
                    self.sleep_until(at);
                    Event::Woke
                }
                Action::Done => return,
            };
        }
    }

    fn read_store<'s>(&'s self, session: &mut Option<StoreSession<'s>>) -> Result<StoredEntry, Error> {
        let session = match session {
            Some(session) => session,
            None => {
                let store = self.store.as_ref().expect("only a cache with a store has its fetch read one");
                session.insert(store.open_session()?)
            }
        };
        session.read()
    }
}

fn open<'a, 's>(session: &'a mut Option<StoreSession<'s>>) -> &'a mut StoreSession<'s> {
    session.as_mut().expect("the store was read before, which opens a session")
}

fn store_event(result: Result<Event, Error>) -> Event {
    result.unwrap_or_else(Event::StoreFailed)
}
