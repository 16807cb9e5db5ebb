//! Runs a token cache: its lock, its waiting callers, what readers see without the lock, and what a fork leaves of it.
//! It decides nothing about tokens: `bankhub_core` does.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(not(loom))]
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::panicking;
use std::time::Duration;

use bankhub_core::{
    Awaited, Error, Instant, Invalidation, Jitter, Poll, Publication, Settings, Stats, Status, TokenState, policy,
};

use super::clock;
use super::fork::PerProcess;
use super::published_token::{MaybeOwned, PublishedToken, ReadToken, TokenCopy};
use super::thread;
use crate::config::Config;
use crate::http::token_endpoint::TokenEndpoint;
use crate::store::Store;
#[cfg(loom)] // tests/loom, which waits with these in every order of events
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

pub(crate) struct Cache {
    pub(super) endpoint: TokenEndpoint,
    pub(super) store: Option<Store>,
    published: MaybeOwned,
    settings: Settings,
    get_timeout: Duration,
    process: PerProcess<Process>,
}

/// The part of a cache that belongs to one process. A forked child abandons its parent's and builds its own: at the
/// fork, another thread may have held the lock.
struct Process {
    state: Mutex<State>,
    /// Waiting callers must poll again.
    changed: Condvar,
}

pub(super) struct State {
    pub(super) tokens: TokenState,
    waiters: u64,
    /// The last publication of this process; `None`: nothing yet.
    publication: Option<Publication>,
    awaited: Awaited,
}

/// The locked state. When it is released, what has changed is published, and those who wait for it are woken.
pub(super) struct Locked<'c> {
    cache: &'c Cache,
    process: &'c Process,
    /// `None` only while it is being released.
    guard: Option<MutexGuard<'c, State>>,
    /// The caller may be a destructor that runs while its own program panics: the state is not half changed by that.
    was_panicking: bool,
}

impl Cache {
    /// Until `close`, nobody else may publish in `published`.
    pub(crate) fn new(config: &Config, endpoint: TokenEndpoint, store: Option<Store>, published: MaybeOwned) -> Self {
        let request_timeout = config.request_timeout;
        let lease_wait_max = store.as_ref().map_or(Duration::ZERO, |_| policy::lease_wait_max(request_timeout));
        Self {
            endpoint,
            store,
            published,
            settings: Settings { refresh_ahead: config.refresh_ahead, request_timeout, lease_wait_max },
            get_timeout: config.get_timeout,
            process: PerProcess::new(),
        }
    }

    /// The token that readers copy without the lock.
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
        let mut state = self.lock();
        let deadline = clock::now().boottime + timeout.unwrap_or(self.get_timeout);
        loop {
            let now = clock::now();
            match state.tokens.poll(now) {
                Poll::Serve(token) => return Ok(copy.copy_from(&token)),
                Poll::Confirm { token, .. } if now.boottime >= deadline => return Ok(copy.copy_from(&token)),
                Poll::Fail(error) => return Err(error),
                Poll::StartFetch => {
                    self.start_fetch(state);
                    state = self.lock();
                }
                Poll::Wait { .. } if now.boottime >= deadline => {
                    return Err(deadline_error(state.tokens.last_failure()));
                }
                Poll::Confirm { until, .. } | Poll::Wait { until } => {
                    state = state.wait(until.min(deadline).saturating_since(now.boottime))
                }
            }
        }
    }

    /// For readers without the lock who were told to check: refreshes the token if it is due, and publishes. They have
    /// a valid token: if a refresh cannot begin, even because of a panic, they are not told.
    pub(crate) fn refresh_if_due(self: &Arc<Self>) {
        let _ = catch_unwind(AssertUnwindSafe(|| {
            // A caller that finds the lock taken leaves the work to its holder: nobody waits for a refresh.
            let Some(mut state) = self.try_lock() else { return };
            if state.tokens.refresh_if_due(clock::now()) {
                self.start_fetch(state);
            }
        }));
    }

    /// Somebody reports that an API answered 401 to this token.
    pub(crate) fn invalidate(self: &Arc<Self>, rejected: &str) -> Result<(), Error> {
        let mut state = self.lock();
        if state.tokens.is_closed() {
            return Err(Error::closed());
        }
        if state.tokens.invalidate(rejected, clock::now()) == Invalidation::StartFetch {
            self.start_fetch(state);
        }
        Ok(())
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut state = self.lock();
        let stats = state.tokens.stats(clock::now());
        Stats { waiters: state.waiters, ..stats }
    }

    /// Wakes every waiting caller, and withdraws and wipes the token. A fetch in flight ends by itself, without effect.
    pub(crate) fn close(&self) {
        self.lock().tokens.close();
    }

    /// Starts the thread of the fetch that the state has just begun. Without the lock: that takes its time.
    fn start_fetch(self: &Arc<Self>, state: Locked<'_>) {
        drop(state);
        let cache = Arc::clone(self);
        if let Err(error) = thread::start(move || cache.run_fetch()) {
            let error = Error::new(Status::Internal, format!("no thread could be started to fetch a token: {error}"));
            self.lock().tokens.fetch_did_not_start(error, clock::now(), jitter());
        }
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        let process = self.process();
        // A panic with the lock held was reported by its own thread; the state is still the best there is.
        let guard = process.state.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { cache: self, process, guard: Some(guard), was_panicking: panicking() }
    }

    fn try_lock(&self) -> Option<Locked<'_>> {
        let process = self.process();
        let guard = match process.state.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Locked { cache: self, process, guard: Some(guard), was_panicking: panicking() })
    }

    /// Returns then, or as soon as the cache is closed.
    pub(super) fn sleep_until(&self, at: Instant) {
        let process = self.process();
        let state = process.state.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = at.saturating_since(clock::now().boottime);
        // Nothing changes here, so there is nothing to publish.
        drop(process.changed.wait_timeout_while(state, pause, |state| !state.tokens.is_closed()));
    }

    fn process(&self) -> &Process {
        self.process.get_or_init(|| {
            let (generation, token) = self.published.inherit();
            let mut tokens = TokenState::new(self.settings, generation);
            if let Some(token) = token {
                tokens.inherit(token, jitter());
            }
            let state = State { tokens, waiters: 0, publication: None, awaited: Awaited::default() };
            Process { state: Mutex::new(state), changed: Condvar::new() }
        })
    }
}

impl Locked<'_> {
    /// Releases the state, and takes it again when a change wakes this caller, or after the timeout.
    fn wait(mut self, timeout: Duration) -> Self {
        if self.settle() {
            self.process.changed.notify_all();
        }
        self.waiters += 1;
        let guard = self.guard.take().expect("taken only here and by drop");
        let waited = self.process.changed.wait_timeout(guard, timeout);
        self.guard = Some(waited.unwrap_or_else(PoisonError::into_inner).0);
        self.waiters -= 1;
        self
    }

    /// Publishes what has changed. Whether waiting callers must be woken.
    fn settle(&mut self) -> bool {
        let Self { cache: Cache { published: slot, .. }, .. } = *self;
        let state = &mut **self;
        let (publication, published) = (state.tokens.publication(), state.tokens.published());
        // In this order, a thread that is preempted between the two reads publishes an end that is early, not late.
        let coarse = clock::coarse();
        // After a suspend, or when the wall clock was set, readers no longer trust what was published before.
        let untrusted = published.is_some() && !slot.is_trusted_at(coarse);
        if untrusted || state.publication != Some(publication) {
            slot.publish(published.as_ref(), state.tokens.generation(), coarse, clock::now());
            state.publication = Some(publication);
        }
        let awaited = state.tokens.awaited();
        let wakes = awaited.wakes_since(&state.awaited);
        state.awaited = awaited;
        wakes
    }
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.guard.as_deref().expect("taken only by wait and drop")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.guard.as_deref_mut().expect("taken only by wait and drop")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // After a panic the state may be half changed: whoever catches the panic takes the lock again.
        let wakes = panicking() == self.was_panicking && self.settle();
        // Before the others are woken: each of them takes the lock first.
        self.guard = None;
        if wakes {
            self.process.changed.notify_all();
        }
    }
}

/// Does not say how long the caller waited: a wrapper waits in slices, which its caller knows nothing of.
fn deadline_error(last_failure: Option<&Error>) -> Error {
    let last = last_failure.map_or("no request has failed".to_owned(), |error| format!("last failure: {error}"));
    Error::new(Status::DeadlineExceeded, format!("no token arrived before the deadline; {last}"))
}

/// Not for secrets: it spreads requests. Hashes the time, because a forked child has its parent's keys.
pub(super) fn jitter() -> Jitter {
    Jitter(RandomState::new().hash_one((std::process::id(), clock::now().boottime.since_origin())) as u32)
}
