//! Runs a life in the real world: its lock, its waiting callers, its fetch thread, and what a fork leaves of them.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(not(loom))]
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use crate::config::Config;
use crate::error::{Error, Status};
use crate::http::token_endpoint::{TokenEndpoint, TokenResponse};
use crate::life::{Answer, Failure, Found, Grant, Life, Moment, Next, Stats};
use crate::policy::{self, Chance};
use crate::runtime::clock;
use crate::runtime::fetch_thread;
use crate::runtime::fork::PerProcess;
use crate::runtime::published_token::{MaybeOwned, PublishedToken, ReadToken, TokenCopy};
use crate::store::{Store, StoreSession, StoredEntry};
#[cfg(loom)] // tests/loom, which has everything that this file waits with in every order of events
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use crate::turn::{self, Queue};

pub(crate) struct Cache {
    endpoint: TokenEndpoint,
    store: Option<Store>,
    published: MaybeOwned,
    get_timeout: Duration,
    request_timeout: Duration,
    refresh_ahead: Option<Duration>,
    /// Abandoned and built anew in a forked child: another thread may have held its lock at the fork.
    process: PerProcess<Process>,
}

/// What belongs to one process.
struct Process {
    state: Mutex<State>,
    /// A token arrived, a fetch failed, or the cache was closed.
    changed: Condvar,
}

struct State {
    life: Life,
    waiters: u64,
    closed: bool,
}

/// What a fetch does before a request.
enum Turn<'s> {
    /// No more: the store had a token, or the cache was closed.
    Over,
    /// Its own request, for all who share the store; or for itself alone, where there is none or it fails.
    Request(Option<StoreSession<'s>>),
}

impl Cache {
    /// Publishes in `published`, which is this cache's alone until `close`.
    pub(crate) fn new(config: &Config, endpoint: TokenEndpoint, store: Option<Store>, published: MaybeOwned) -> Self {
        Self {
            endpoint,
            store,
            published,
            get_timeout: config.get_timeout,
            request_timeout: config.request_timeout,
            refresh_ahead: config.refresh_ahead,
            process: PerProcess::new(),
        }
    }

    #[inline(always)]
    pub(crate) fn published(&self) -> &PublishedToken {
        &self.published
    }

    /// Waits for a token, for `timeout` or else as configured.
    pub(crate) fn get(
        self: &Arc<Self>,
        timeout: Option<Duration>,
        copy: &mut TokenCopy<'_>,
    ) -> Result<ReadToken, Error> {
        let process = self.process();
        let mut state = process.lock();
        let deadline = clock::now().boot.saturating_add(timeout.unwrap_or(self.get_timeout));
        loop {
            if state.closed {
                return Err(Error::closed());
            }
            // One moment for both questions: between two, the token could end, and this caller wait for no fetch.
            let now = clock::now();
            if state.life.wants_fetch(now) {
                state = self.fetch(process, state);
                continue;
            }
            let answer = state.life.answer(now);
            self.publish(&state);
            match answer {
                Answer::Token => return Ok(hand_out(&state, copy)),
                Answer::Fail(error) => return Err(error),
                Answer::Wait if now.boot >= deadline => return Err(too_late(state.life.last_failure())),
                Answer::Wait => {}
            }
            let until = state.life.overdue_at().map_or(deadline, |overdue| overdue.min(deadline));
            state.waiters += 1;
            let waited = process.changed.wait_timeout(state, until.saturating_sub(now.boot));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiters -= 1;
        }
    }

    /// Sets a renewal going if one is due, and publishes what there is: for readers who noticed that it is time.
    pub(crate) fn refresh_if_due(self: &Arc<Self>) {
        let process = self.process();
        // Who finds the lock taken leaves the work to its holder: nobody waits for a renewal.
        let Some(mut state) = process.try_lock() else { return };
        let now = clock::now();
        let has_token = state.life.answer(now) == Answer::Token;
        if has_token && state.life.wants_fetch(now) {
            state = self.fetch(process, state);
        }
        self.publish(&state);
    }

    /// Somebody reports that an API answered 401 to this token.
    pub(crate) fn invalidate(self: &Arc<Self>, token: &str) -> Result<(), Error> {
        let process = self.process();
        let mut state = process.lock();
        if state.closed {
            return Err(Error::closed());
        }
        let now = clock::now();
        if state.life.rejected(token, now) && state.life.wants_fetch(now) {
            state = self.fetch(process, state);
        }
        self.publish(&state);
        Ok(())
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut state = self.process().lock();
        let stats = state.life.stats(clock::now());
        self.publish(&state);
        Stats { waiters: state.waiters, ..stats }
    }

    /// Wakes every waiter, withdraws and wipes the token. A fetch in flight ends by itself and changes nothing more.
    pub(crate) fn close(&self) {
        let process = self.process();
        let mut state = process.lock();
        let generation = state.life.generation();
        state.life = self.new_life(generation);
        self.publish(&state);
        state.closed = true;
        self.tell_all(process, state);
    }

    /// Begins a fetch on a thread of its own. The lock is let go meanwhile: starting a thread takes its time.
    fn fetch<'p>(self: &Arc<Self>, process: &'p Process, mut state: MutexGuard<'p, State>) -> MutexGuard<'p, State> {
        state.life.begin_fetch(clock::now());
        self.publish(&state);
        drop(state);
        let cache = Arc::clone(self);
        let started = fetch_thread::start(move || cache.run_fetch());
        let mut state = process.lock();
        if let Err(error) = started {
            let error = Error::new(Status::Internal, format!("no thread could be started to fetch a token: {error}"));
            state.life.cannot_fetch(Failure { error, retry_after: None }, clock::now(), chance());
            self.tell_all(process, state);
            state = process.lock();
        }
        state
    }

    /// What the fetch thread does. A panic is a failure like any other: whoever waits must hear of it.
    fn run_fetch(&self) {
        if catch_unwind(AssertUnwindSafe(|| self.send_requests())).is_ok() {
            return;
        }
        // Without the panic's own text, which could hold anything.
        let error = Error::new(Status::Internal, "the fetch of a token panicked; please report this");
        let process = self.process();
        let mut state = process.lock();
        state.life.failed(Failure { error, retry_after: None }, clock::now(), chance());
        self.tell_all(process, state);
    }

    fn send_requests(&self) {
        let process = self.process();
        loop {
            let Turn::Request(session) = self.take_turn(process) else { return };
            let sent = clock::now();
            let mut state = process.lock();
            if !state.life.send_request(sent, chance()) {
                return self.tell_all(process, state);
            }
            if self.store.is_some() {
                // Nobody waits for the turns of others any more, and so for less.
                self.tell_all(process, state);
            } else {
                drop(state);
            }
            let outcome = self.endpoint.request_token();
            if let Some(session) = session {
                process.lock().life.answered(clock::now());
                // First, so that it is there for others even if this process ends as soon as it has a token.
                if let Err(failure) = share(session, outcome.as_ref().ok(), sent) {
                    process.lock().life.store_failed(failure);
                }
            }
            let mut state = process.lock();
            let now = clock::now();
            let next = match outcome {
                Ok(issued) => state.life.granted(Grant { value: issued.value, ttl: issued.ttl, sent }, now, chance()),
                Err(failure) => state.life.failed(failure, now, chance()),
            };
            self.tell_all(process, state);
            let Next::RequestAgain(pause) = next else { return };
            drop(process.pause(process.lock(), pause));
        }
    }

    /// Where others share the store, one of them fetches at a time.
    fn take_turn(&self, process: &Process) -> Turn<'_> {
        let Some(store) = &self.store else { return Turn::Request(None) };
        store.open_session().and_then(|session| self.wait_for_turn(process, session)).unwrap_or_else(|failure| {
            process.lock().life.store_failed(failure);
            Turn::Request(None)
        })
    }

    fn wait_for_turn<'s>(&self, process: &Process, mut session: StoreSession<'s>) -> Result<Turn<'s>, Error> {
        // However many take their turns: callers are to hear of that, and not that the fetch is overdue.
        let overdue_at = process.lock().life.overdue_at().unwrap_or_default();
        let give_up_at = overdue_at.saturating_sub(policy::TURN_LOOK_MAX);
        let mut queue = Queue::new(policy::turn_takes(self.request_timeout), give_up_at);
        let mut is_ours = false;
        loop {
            match self.look(process, session.read()?) {
                Found::Ended => return Ok(Turn::Over),
                Found::Rejected if is_ours => session.remove()?,
                Found::Rejected | Found::Useless => {}
            }
            if is_ours {
                return Ok(Turn::Request(Some(session)));
            }
            match queue.asked(session.acquire_lease()?, clock::now().boot, chance()) {
                turn::Next::Fetch => is_ours = true,
                turn::Next::LookAgain(pause) => drop(process.pause(process.lock(), pause)),
                turn::Next::GoAlone => {
                    let problem = "another process keeps the store to itself for too long";
                    return Err(Error::new(Status::Unavailable, problem));
                }
                turn::Next::GiveUp => {
                    let problem =
                        "processes that share the store took turns to fetch a token, and none has put one there";
                    let error = Error::new(Status::Unavailable, problem);
                    return if self.gives_up(process, error.clone()) { Ok(Turn::Over) } else { Err(error) };
                }
            }
        }
    }

    /// Tells the life what was found in the store.
    fn look(&self, process: &Process, entry: StoredEntry) -> Found {
        let mut state = process.lock();
        if state.closed {
            return Found::Ended;
        }
        let lying = match entry {
            StoredEntry::Empty => None,
            StoredEntry::Token(grant) => Some(grant),
            StoredEntry::Damaged(failure) => {
                state.life.store_failed(failure);
                None
            }
        };
        let found = state.life.looked(lying, clock::now(), chance());
        if found == Found::Ended {
            self.tell_all(process, state);
        }
        found
    }

    fn gives_up(&self, process: &Process, error: Error) -> bool {
        let mut state = process.lock();
        let ends = state.life.gives_up(Failure { error, retry_after: None }, clock::now(), chance());
        self.tell_all(process, state);
        ends
    }

    /// Publishes, and wakes all who wait: without the lock, which each of them takes first, or they would go back to
    /// sleep.
    fn tell_all(&self, process: &Process, state: MutexGuard<'_, State>) {
        self.publish(&state);
        drop(state);
        process.changed.notify_all();
    }

    /// To be called before a caller has an answer, or is to ask again: be it only that a token is over by now.
    fn publish(&self, state: &State) {
        // The slot of a closed cache may be another's by now.
        if state.closed {
            return;
        }
        // In this order, a thread that is put aside between the two reads publishes an end that is early, not late.
        let time = clock::coarse();
        self.published.publish(state.life.offer().as_ref(), state.life.generation(), time, clock::now());
    }

    fn process(&self) -> &Process {
        self.process.get_or_init(|| {
            let (generation, grant) = self.published.inherit();
            let mut life = self.new_life(generation);
            if let Some(grant) = grant {
                life.inherit(grant, chance());
            }
            Process { state: Mutex::new(State { life, waiters: 0, closed: false }), changed: Condvar::new() }
        })
    }

    fn new_life(&self, generation: u64) -> Life {
        let turns_take = self.store.as_ref().map_or(Duration::ZERO, |_| policy::turns_take(self.request_timeout));
        Life::new(self.refresh_ahead, self.request_timeout, turns_take, generation)
    }
}

impl Process {
    /// A panic while the lock was held is a bug that has been reported once; the state is still the best there is.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the lock for so long, or until the cache is closed.
    fn pause<'p>(&'p self, state: MutexGuard<'p, State>, pause: Duration) -> MutexGuard<'p, State> {
        let waited = self.changed.wait_timeout_while(state, pause, |state| !state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Puts the token into the store, if one was issued, and lets the next go on.
fn share(mut session: StoreSession<'_>, issued: Option<&TokenResponse>, sent: Moment) -> Result<(), Error> {
    issued.map_or(Ok(()), |issued| session.write(&issued.value, issued.ttl, sent))
}

fn hand_out(state: &State, copy: &mut TokenCopy<'_>) -> ReadToken {
    let offer = state.life.offer().expect("the life has just said that there is a token");
    copy.fill(offer.value.expose().as_bytes());
    ReadToken { generation: offer.generation, expires_at: offer.sent.wall + offer.ttl, needs_check: false }
}

/// Says nothing of how long it waited: a wrapper waits in slices, of which its caller knows nothing.
fn too_late(last_failure: Option<&Error>) -> Error {
    let last = last_failure.map_or("no request has failed".to_owned(), |error| format!("last failure: {error}"));
    Error::new(Status::Deadline, format!("there is no token yet; {last}"))
}

/// Not for secrets: this spreads requests. Hashes the time, because a forked child has its parent's keys.
fn chance() -> Chance {
    Chance(RandomState::new().hash_one((std::process::id(), clock::now().boot)) as u32)
}
