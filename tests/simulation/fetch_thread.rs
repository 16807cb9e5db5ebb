//! The thread of a fetch: carries out the actions of a `Fetch`. Without a store, it sends requests and sleeps.

use std::time::Duration;

use bankhub_core::{Action, Error, Event, Failure, Fetch, Instant, Secret, Status, Timestamp, TokenResponse};

use crate::cache::FetchThread;
use crate::clock::SECOND;
use crate::endpoint::{EndpointResponse, token_value};
use crate::simulator::{Fault, Simulator, SimulatorEvent};
use crate::trace_event::TraceEvent;

/// The next step of the thread.
enum NextStep {
    Send,
    SleepUntil(Instant),
    End,
}

impl Simulator {
    pub(crate) fn fetch_thread_starts(&mut self, cache: usize) {
        assert!(self.caches[cache].fetch.is_none(), "two fetch threads");
        let thread = FetchThread { fetch: Fetch::new(), sleeps: false, sent_at: self.clock.now() };
        self.caches[cache].fetch = Some(thread);
        self.begin_request(cache, Event::Started);
    }

    /// After its pause, or because the cache was closed.
    pub(crate) fn fetch_thread_wakes(&mut self, cache: usize) {
        let thread = self.caches[cache].fetch.as_mut();
        if thread.is_some_and(|thread| std::mem::take(&mut thread.sleeps)) {
            self.begin_request(cache, Event::Woke);
        }
    }

    fn begin_request(&mut self, cache: usize, event: Event) {
        let now = self.now();
        let next = self.step(cache, event, now);
        let is_closed = self.caches[cache].state.is_closed();
        match next {
            NextStep::Send => {
                assert!(!is_closed, "a request after its cache was closed");
                self.observe(TraceEvent::RequestBegan, now);
                self.soon(SimulatorEvent::RequestLeaves { cache });
            }
            NextStep::End if !is_closed => self.observe(TraceEvent::RetryTooLate, now),
            NextStep::End => {}
            NextStep::SleepUntil(_) => unreachable!("nothing to wait for before a request"),
        }
        self.release_lock(cache);
    }

    pub(crate) fn request_leaves(&mut self, cache: usize) {
        let (response, latency, mode) = self.endpoint.request(self.settings.request_timeout, &mut self.random);
        self.checker.coverage.responded(mode);
        // By chance alone, few refreshes are overdue, and hardly anything happens while they are.
        let overdue_after = self.settings.request_timeout + SECOND;
        if latency > overdue_after && self.random.one_in(4) {
            let at = self.random.between(overdue_after, latency);
            self.after(at, SimulatorEvent::ReadStats);
            let fault = self.fault();
            self.after(at + SECOND, SimulatorEvent::Fault(fault));
        }
        self.after(latency, SimulatorEvent::ResponseArrives { cache, response });
    }

    pub(crate) fn response_arrives(&mut self, cache: usize, response: EndpointResponse) {
        let now = self.now();
        let is_closed = self.caches[cache].state.is_closed();
        let (next, observed) = match response {
            EndpointResponse::Token { number, ttl } => {
                let sent_at = self.thread(cache).sent_at;
                let response = TokenResponse { value: Secret::new(token_value(number)), ttl };
                let next = self.step(cache, Event::Response(Ok(response)), now);
                let withdrawn = self.caches[cache].state.published().is_none();
                (next, TraceEvent::TokenIssued { number, ttl, sent_at, withdrawn })
            }
            EndpointResponse::Failure { status, retry_after, .. } => {
                let failure = Failure { error: Error::new(status, "it failed"), retry_after };
                let next = self.step(cache, Event::Response(Err(failure)), now);
                let retry_pause = match next {
                    NextStep::SleepUntil(at) => Some(at.saturating_since(now.boottime)),
                    NextStep::Send | NextStep::End => None,
                };
                (next, TraceEvent::RequestFailed { status, retry_after, retry_pause })
            }
            EndpointResponse::Panic => {
                let jitter = self.random.jitter();
                let cache = &mut self.caches[cache];
                cache.fetch = None;
                cache.state.fetch_panicked(Error::new(Status::Internal, "it panicked"), now, jitter);
                let observed =
                    TraceEvent::RequestFailed { status: Status::Internal, retry_after: None, retry_pause: None };
                (NextStep::End, observed)
            }
        };
        if !is_closed {
            self.observe(observed, now);
        }
        self.release_lock(cache);
        match next {
            NextStep::SleepUntil(at) => {
                assert!(!is_closed, "a pause after the cache was closed");
                self.sleep(cache, at.saturating_since(now.boottime));
            }
            NextStep::Send => panic!("a second request without a pause"),
            NextStep::End => {}
        }
    }

    fn sleep(&mut self, cache: usize, pause: Duration) {
        self.thread(cache).sleeps = true;
        self.after(pause, SimulatorEvent::FetchThreadWakes { cache });
        self.machine_may_sleep_after(pause / 2);
    }

    /// The waits of a fetch are short: by chance alone, a machine would rarely sleep meanwhile, and a caller ask when
    /// it wakes.
    pub(crate) fn machine_may_sleep_after(&mut self, time: Duration) {
        if self.machine.is_restless && self.random.one_in(20) {
            self.after(time, SimulatorEvent::Fault(Fault::Sleep));
            self.after(time, SimulatorEvent::ReadStats);
        }
    }

    fn step(&mut self, cache: usize, event: Event, now: Timestamp) -> NextStep {
        let jitter = self.random.jitter();
        let cache = &mut self.caches[cache];
        let thread = cache.fetch.as_mut().expect("the thread runs");
        match thread.fetch.step(event, &mut cache.state, now, jitter) {
            Action::Send => {
                thread.sent_at = now;
                NextStep::Send
            }
            Action::SleepUntil(at) => NextStep::SleepUntil(at),
            Action::Done => {
                cache.fetch = None;
                NextStep::End
            }
            action @ (Action::ReadStore
            | Action::AcquireLease
            | Action::ExtendLease
            | Action::Remove
            | Action::Write(_)
            | Action::Release) => {
                unreachable!("there is no store, and yet: {action:?}")
            }
        }
    }

    fn thread(&mut self, cache: usize) -> &mut FetchThread {
        self.caches[cache].fetch.as_mut().expect("the thread runs")
    }
}
