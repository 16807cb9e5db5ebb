//! The cache as a program has it: drives a `TokenState` as the runtime of `bankhub` does. One lock guards it; where the
//! runtime releases that lock, any other event may come first.

use std::time::Duration;

use bankhub_core::{
    Awaited, Error, Fetch, Instant, Invalidation, Poll, Publication, Published, Secret, Settings, Stats, Status,
    Timestamp, Token, TokenState,
};

use crate::endpoint::{token_number, token_value};
use crate::simulator::{Simulator, SimulatorEvent};
use crate::trace_event::TraceEvent;

pub(crate) struct SimulatedCache {
    pub(crate) state: TokenState,
    pub(crate) fetch: Option<FetchThread>,
    waiting: Vec<Waiter>,
    /// The last publication; `None`: nothing in this process.
    publication: Option<Publication>,
    /// Between the clocks, when it published last.
    published_offset: i128,
    /// The knowledge of the waiting callers when they began to wait.
    awaited: Awaited,
    /// Until it is closed: then the slot may be another's.
    owns_slot: bool,
}

pub(crate) struct FetchThread {
    pub(crate) fetch: Fetch,
    pub(crate) sleeps: bool,
    pub(crate) sent_at: Timestamp,
}

struct Waiter {
    call: usize,
    /// When it polls again if nothing wakes it, and if its own deadline is not earlier.
    until: Instant,
}

/// The view of readers without the lock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PublishedToken {
    pub(crate) number: u64,
    pub(crate) generation: u64,
    pub(crate) sent_at: Timestamp,
    pub(crate) ttl: Duration,
    pub(crate) next_check_at: Option<Instant>,
    /// Between the clocks. When it has changed, only the state knows whether the token is stale.
    offset: i128,
}

impl PublishedToken {
    fn new(published: Published<'_>, offset: i128) -> Self {
        let Published { token, generation, next_check_at, confirm_at: _ } = published;
        let Token { value, ttl, sent_at } = token;
        let (number, ttl, sent_at) = (token_number(value.expose()), *ttl, *sent_at);
        Self { number, generation, sent_at, ttl, next_check_at, offset }
    }

    fn is_stale(&self, now: Timestamp) -> bool {
        let value = Secret::new(String::new());
        Token { value, ttl: self.ttl, sent_at: self.sent_at }.is_stale(now)
    }
}

impl SimulatedCache {
    /// Its slot is empty.
    pub(crate) fn new(settings: Settings, generation: u64) -> Self {
        let state = TokenState::new(settings, generation);
        Self {
            publication: Some(state.publication()),
            awaited: state.awaited(),
            state,
            fetch: None,
            waiting: Vec::new(),
            published_offset: 0,
            owns_slot: true,
        }
    }
}

impl Simulator {
    /// A caller wants a token.
    pub(crate) fn get(&mut self, call: usize) {
        let (now, offset) = (self.now(), self.clock.offset());
        let cache = self.calls[call].cache;
        let is_good = |published: &PublishedToken| published.offset == offset && !published.is_stale(now);
        let Some(published) = self.slot.filter(is_good) else {
            self.calls[call].deadline = self.now().boottime + self.calls[call].timeout;
            return self.poll(call);
        };
        let PublishedToken { number, generation, .. } = published;
        let needs_check = published.next_check_at.is_some_and(|at| now.boottime >= at);
        self.observe(TraceEvent::ReadPublished { call, number, generation, needs_check }, now);
        if needs_check {
            self.refresh_if_due(cache);
        }
        self.call_succeeded(call, number);
    }

    /// From the top of the loop in which a caller waits.
    pub(crate) fn poll(&mut self, call: usize) {
        let cache = self.calls[call].cache;
        let now = self.now();
        match self.caches[cache].state.poll(now) {
            Poll::Serve(Published { token, generation, .. }) => {
                let number = token_number(token.value.expose());
                self.observe(TraceEvent::Polled { starts_fetch: false }, now);
                self.observe(TraceEvent::Served { call, number, generation }, now);
                self.release_lock(cache);
                self.call_succeeded(call, number);
            }
            Poll::Confirm { .. } => unreachable!("there is no store to read"),
            Poll::StartFetch => {
                self.observe(TraceEvent::Polled { starts_fetch: true }, now);
                self.start_fetch(cache, Some(call), now);
            }
            Poll::Fail(error) if error.status() == Status::Closed => {
                self.release_lock(cache);
                self.call_failed(TraceEvent::CallOfClosed { call }, call, now);
            }
            Poll::Fail(error) => {
                let (status, retry_after) = (error.status(), error.retry_after());
                self.observe(TraceEvent::Polled { starts_fetch: false }, now);
                self.call_failed(TraceEvent::CallFailed { call, status, retry_after }, call, now);
                self.release_lock(cache);
            }
            Poll::Wait { .. } if now.boottime >= self.calls[call].deadline => {
                let last_failure = self.caches[cache].state.last_failure().map(Error::status);
                self.observe(TraceEvent::Polled { starts_fetch: false }, now);
                self.call_failed(TraceEvent::DeadlineExceeded { call, last_failure }, call, now);
                self.release_lock(cache);
            }
            Poll::Wait { until } => {
                self.observe(TraceEvent::Polled { starts_fetch: false }, now);
                self.observe(TraceEvent::Waits { call }, now);
                self.release_lock(cache);
                self.calls[call].wakes += 1;
                let wakes = self.calls[call].wakes;
                self.caches[cache].waiting.push(Waiter { call, until });
                let wait = until.min(self.calls[call].deadline).saturating_since(now.boottime);
                self.after(wait, SimulatorEvent::Wake { call, wakes });
            }
        }
    }

    /// A waiting caller wakes, unless something else has woken it before.
    pub(crate) fn wake(&mut self, call: usize, wakes: u32) {
        if self.calls[call].wakes == wakes {
            self.calls[call].wakes += 1;
            let cache = self.calls[call].cache;
            self.caches[cache].waiting.retain(|waiter| waiter.call != call);
            self.poll(call);
        }
    }

    fn refresh_if_due(&mut self, cache: usize) {
        let now = self.now();
        let state = &mut self.caches[cache].state;
        let starts_fetch = state.refresh_if_due(now);
        let has_token = state.published().is_some();
        self.observe(TraceEvent::RefreshedIfDue { has_token }, now);
        assert!(has_token || !starts_fetch, "a refresh without a token");
        if has_token {
            self.observe(TraceEvent::Polled { starts_fetch }, now);
        }
        self.continue_or_start_fetch(cache, starts_fetch, now);
    }

    /// Somebody reports that an API answered 401 to this token.
    pub(crate) fn invalidate(&mut self, cache: usize, number: u64) {
        if self.caches[cache].state.is_closed() {
            return;
        }
        let now = self.now();
        let state = &mut self.caches[cache].state;
        let invalidation = state.invalidate(&token_value(number), now);
        let is_current = invalidation != Invalidation::Ignored;
        let starts_fetch = invalidation == Invalidation::StartFetch;
        let withdrawn = is_current && state.published().is_none();
        self.observe(TraceEvent::Invalidated { number, is_current, withdrawn }, now);
        if is_current {
            self.observe(TraceEvent::Polled { starts_fetch }, now);
        }
        self.continue_or_start_fetch(cache, starts_fetch, now);
    }

    pub(crate) fn stats(&mut self) -> Stats {
        let now = self.now();
        let last = self.caches.len() - 1;
        let cache = &mut self.caches[last];
        let stats = Stats { waiters: cache.waiting.len() as u64, ..cache.state.stats(now) };
        self.observe(TraceEvent::ReadStats(Box::new(stats.clone())), now);
        self.release_lock(last);
        stats
    }

    /// The cache is closed, and another takes over its slot.
    pub(crate) fn close(&mut self) {
        let last = self.caches.len() - 1;
        let now = self.now();
        self.caches[last].state.close();
        self.observe(TraceEvent::Closed, now);
        self.release_lock(last);
        let closed = &mut self.caches[last];
        closed.owns_slot = false;
        let next = SimulatedCache::new(self.settings, closed.state.generation());
        if closed.fetch.as_ref().is_some_and(|thread| thread.sleeps) {
            self.soon(SimulatorEvent::FetchThreadWakes { cache: last });
        }
        self.caches.push(next);
    }

    /// Continues in the child: the callers and the fetch thread of the parent are gone, and so is its state.
    pub(crate) fn fork(&mut self) {
        let parent = self.caches.last().expect("there is a cache");
        let mut child = SimulatedCache::new(self.settings, parent.state.generation());
        child.publication = None;
        if let Some(PublishedToken { number, sent_at, ttl, .. }) = self.slot {
            let token = Token { value: Secret::new(token_value(number)), ttl, sent_at };
            child.state.inherit(token, self.random.jitter());
        }
        self.slot = self.slot.map(|token| PublishedToken { next_check_at: Some(Instant::default()), ..token });
        self.caches.push(child);
        self.drop_threads();
        let now = self.now();
        self.observe(TraceEvent::Forked, now);
    }

    fn continue_or_start_fetch(&mut self, cache: usize, starts_fetch: bool, now: Timestamp) {
        if starts_fetch {
            self.start_fetch(cache, None, now);
        } else {
            self.release_lock(cache);
        }
    }

    /// A fetch has begun. Its thread and the one that starts it continue in any order.
    fn start_fetch(&mut self, cache: usize, call: Option<usize>, now: Timestamp) {
        self.observe(TraceEvent::FetchBegan, now);
        self.release_lock(cache);
        let started = self.thread_starts();
        if started {
            self.soon(SimulatorEvent::FetchThreadStarts { cache });
            self.machine_may_sleep_after(Duration::ZERO);
        }
        self.soon(SimulatorEvent::StarterContinues { cache, started, call });
    }

    /// The thread that began a fetch has the lock again.
    pub(crate) fn starter_continues(&mut self, cache: usize, started: bool, call: Option<usize>) {
        if !started {
            let (now, jitter) = (self.now(), self.random.jitter());
            let state = &mut self.caches[cache].state;
            state.fetch_did_not_start(Error::new(Status::Internal, "no thread could be started"), now, jitter);
            if !state.is_closed() {
                self.observe(TraceEvent::FetchDidNotStart, now);
            }
            self.release_lock(cache);
        }
        if let Some(call) = call {
            self.poll(call);
        }
    }

    /// Publishes what has changed while the lock was held, and wakes the callers who wait for it.
    pub(crate) fn release_lock(&mut self, cache: usize) {
        let offset = self.clock.offset();
        let SimulatedCache { state, waiting, publication, published_offset, awaited, owns_slot, .. } =
            &mut self.caches[cache];
        if *owns_slot {
            let newest = state.publication();
            let published = state.published().map(|published| PublishedToken::new(published, offset));
            // Readers here believe no offset but that of the publication. Real ones tolerate half a second.
            let readers_doubt = published.is_some() && *published_offset != offset;
            if *publication != Some(newest) || readers_doubt {
                self.checker.published(published);
                self.slot = published;
                *publication = Some(newest);
                *published_offset = offset;
            }
            assert_eq!(self.slot, published, "readers see what the state would publish");
            self.checker.lock_released(published.as_ref(), state.generation());
        }
        assert!(!state.is_closed() || state.published().is_none(), "a closed cache has a token");
        let now_awaited = state.awaited();
        if now_awaited.wakes_since(awaited) {
            for Waiter { call, .. } in std::mem::take(waiting) {
                let wakes = self.calls[call].wakes;
                self.soon(SimulatorEvent::Wake { call, wakes });
            }
        } else if let Some(until) = waiting.iter().map(|waiter| waiter.until).max() {
            self.checker.callers_sleep_on(until);
        }
        self.caches[cache].awaited = now_awaited;
    }
}
