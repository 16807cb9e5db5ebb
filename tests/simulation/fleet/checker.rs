//! The rules that must hold for a fleet, whatever happens to it: checked against what only the simulation knows, such
//! as when a token really expires.

use std::time::Duration;

use bankhub_core::{Instant, Status, Timestamp};

use super::coverage::Reached;
use super::process::FleetCall;
use super::simulator::Fleet;
use super::store::StoreKind;
use crate::clock::SECOND;
use crate::endpoint::EndpointResponse;
use crate::reference_policy::{self, REJECTED_REMEMBERED, REQUESTS_PER_MINUTE};

/// A token request that the endpoint is busy with.
pub(super) struct RequestInFlight {
    pub(super) process: usize,
    pub(super) owner: u64,
    /// It is sent without a lease, because the store failed or its holder is stuck.
    pub(super) is_alone: bool,
    pub(super) until: Duration,
}

/// The token that a process serves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CurrentToken {
    pub(super) number: u64,
    pub(super) ttl: Duration,
    pub(super) expires_at: Instant,
}

/// The newest token, as the endpoint knows it.
pub(super) struct NewestToken {
    number: u64,
    sent_at: Duration,
    ttl: Duration,
}

/// Two reads of the store in a backoff, and some time for each.
const LEARNED_WITHIN: Duration = Duration::from_secs(14);

/// How far apart processes read the store that may send no request.
const STORE_POLL_PAUSE_MIN: Duration = Duration::from_millis(4_499);

/// The message of every failure of the endpoint.
pub(super) const ENDPOINT_ERROR: &str = "the endpoint failed";

/// Before its expiry.
const SERVED_UNTIL: Duration = Duration::from_secs(31);

/// How far two wall clocks may be apart.
pub(super) const WALL_CLOCKS_APART_MAX: Duration = Duration::from_secs(300);

/// The error of a token's age in a directory, from two clocks that differ and the margin for it.
const AGE_WRONG_BY: Duration = Duration::from_secs(600);

impl Fleet {
    /// A caller is served this token.
    pub(super) fn check_token(&mut self, process: usize, number: u64) {
        let now = self.now;
        let of = &mut self.processes[process];
        assert!(now < self.expiries[&number], "an expired token is served");
        let is_remembered = of.rejected.iter().rev().take(REJECTED_REMEMBERED).any(|rejected| *rejected == number);
        // The endpoint itself may issue it again: then there is no better one.
        let returns = is_remembered && of.served != Some(number) && of.issued_again != Some(number);
        assert!(!returns, "a token comes back that was rejected here");
        let threads = of.threads.iter().filter(|thread| thread.closed.is_none());
        let mut sessions = threads.filter_map(|thread| thread.session.as_ref());
        let is_written = sessions.all(|session| session.writes != Some(number));
        assert!(is_written, "a token is served that other processes would miss if this one ended now");
        (of.served, of.served_generation) = (Some(number), of.state.generation());
        self.check_recovered(process);
    }

    /// After a backoff, nothing is left of a failure from which another process's token has helped.
    fn check_recovered(&mut self, process: usize) {
        let now = self.timestamp(process);
        let of = &mut self.processes[process];
        let stats = of.state.stats(now);
        if of.recovered && !stats.fetching && stats.next_attempt_at == 0 {
            let message = stats.last_error.as_ref().map(|error| error.message());
            assert_ne!(message, Some(ENDPOINT_ERROR), "a failure is remembered after the process recovered from it");
        }
    }

    /// A caller waits. In a backoff no request may follow the read of the store, so it could wait in vain.
    pub(super) fn check_wait(&mut self, process: usize, now: Timestamp) {
        let of = &mut self.processes[process];
        let only_reads = of.threads.iter().any(|thread| thread.only_reads && thread.closed.is_none());
        let in_backoff = of.state.stats(now).next_attempt_at != 0;
        assert!(!(only_reads && in_backoff), "a caller waits for a read of the store in a backoff");
    }

    /// The store was read. Whether a token was adopted, which must be better than the one before.
    pub(super) fn check_adoption(&self, process: usize, before: Option<CurrentToken>) -> bool {
        let of = &self.processes[process];
        let Some(after) = of.current().filter(|after| before != Some(*after)) else { return false };
        let Some(before) = before.filter(|before| !of.rejected.contains(&before.number)) else { return true };
        let least = before.expires_at + reference_policy::adoption_margin(after.ttl);
        assert!(after.expires_at > least, "{after:?} is adopted instead of {before:?}");
        true
    }

    /// A fetch begins. Whether it may only read the store, which must not be read at every call then.
    pub(super) fn check_store_load(&mut self, process: usize) -> bool {
        let now = self.timestamp(process);
        let of = &mut self.processes[process];
        let only_reads = of.state.stats(now).next_attempt_at != 0;
        if let Some(read_at) = of.only_read_at.filter(|read_at| only_reads && of.last_rejection < *read_at) {
            let since = self.now - read_at;
            assert!(since >= STORE_POLL_PAUSE_MIN, "the store is read again after {since:?}, in a backoff");
        }
        only_reads
    }

    /// A call fails, or its deadline is exceeded.
    pub(super) fn check_failure(&mut self, call: usize, status: Status) {
        self.coverage.reach(Reached::CallFailed);
        self.check_no_token_is_left(self.calls[call].process, status);
        let FleetCall { process, began, .. } = self.calls[call];
        self.check_heard_soon(began, status);
        let of = &self.processes[process];
        // Its fetch may be overdue when it continues, or soon after, and a token that was requested before its wall
        // clock was set be stale on arrival: both end in the shortest backoff.
        let disturbed_until = of.stopped_until.max(self.machines[of.machine].wall_set_at + self.request_timeout);
        let time_ran_out = !of.threads.is_empty() && of.stopped_until > of.fetch_began;
        if disturbed_until + 2 * SECOND > began || time_ran_out {
            return;
        }
        if let Some(overdue_at) = of.overdue_at {
            let latest = began.max(overdue_at) + SECOND;
            assert!(self.now <= latest, "a caller learns late of a request that is overdue at {overdue_at:?}");
        }
        // While it waits for one late response after the other, the token of each may be revoked, or rejected and
        // removed before it reads the store.
        let responses = self.responses_at.iter().rev().take_while(|at| **at > began).count();
        let has_abandoned = of.abandoned.is_some_and(|at| at + 2 * SECOND > began);
        let waited_for_others =
            self.faults.slow_responses && (has_abandoned || status == Status::DeadlineExceeded && responses >= 3);
        // A token that is rejected at once may be gone again before all who waited for it have woken.
        let is_excused = self.faults.endpoint || waited_for_others || of.last_rejection > began || !self.can_share();
        assert!(is_excused, "a call fails with {status:?} though the endpoint is healthy");
        let in_flight = self.requests.iter().any(|request| request.process == process && request.until > self.now);
        let is_busy =
            in_flight || of.last_exchange + LEARNED_WITHIN > self.now || of.calls_since + LEARNED_WITHIN > self.now;
        // Across machines, a token in a directory may seem older than it is.
        if self.faults.store || self.faults.processes || is_busy || !self.store_knows_ages() {
            return;
        }
        // The token may be issued again just now, for longer than its entry says.
        let (now, expiries) = (self.now, &self.earliest_expiries);
        let rejected = &self.processes[process].rejected;
        let useful = self.store.entry(now).filter(|entry| {
            entry.since + LEARNED_WITHIN < now
                && entry.number.is_some_and(|it| !rejected.contains(&it) && now + SERVED_UNTIL < expiries[&it])
        });
        assert!(useful.is_none(), "a call fails with {status:?} although the store has another process's token");
    }

    /// Even a rejected token is served while no other can be fetched.
    fn check_no_token_is_left(&self, process: usize, status: Status) {
        let of = &self.processes[process];
        // A Redis that failed over may make tokens seem older than they are, and so may a clock that was set.
        let knows_ages = match self.store.kind {
            StoreKind::Redis => !self.faults.store,
            StoreKind::Directory => self.store_knows_ages(),
        };
        let is_excused = status == Status::DeadlineExceeded
            || of.served_generation != of.state.generation()
            || !knows_ages
            || !self.machines[of.machine].wall_set_at.is_zero();
        let expires_at = of.served.and_then(|number| self.earliest_expiries.get(&number));
        let is_left = expires_at.is_some_and(|at| self.now + SERVED_UNTIL < *at);
        assert!(is_excused || !is_left, "a call fails with {status:?} although a token is left until {expires_at:?}");
    }

    /// Callers who are not woken sleep on: for nothing that is there, and no longer than until the request is overdue.
    pub(super) fn check_sleepers(&self, process: usize) {
        let of = &self.processes[process];
        let overdue_at = of.overdue_at.map(|at| self.timestamp_at(process, at).boottime);
        let is_served = |confirm_at: Option<Instant>| confirm_at.is_none_or(|at| at > Instant::default());
        for waiter in of.waiting.iter().filter(|waiter| !waiter.is_woken) {
            let is_served = of.state.published().is_some_and(|published| is_served(published.confirm_at));
            assert!(!is_served, "a caller sleeps in spite of a token");
            let in_time = overdue_at.is_none_or(|overdue_at| waiter.until <= overdue_at);
            assert!(in_time, "a caller sleeps until {:?}, and the request is overdue at {overdue_at:?}", waiter.until);
        }
    }

    /// A token request is sent.
    pub(super) fn check_request(&mut self, request: RequestInFlight, response: EndpointResponse) {
        let now = self.now;
        let of = &mut self.processes[request.process];
        let not_before = of.not_before;
        assert!(now >= not_before, "a request at {now:?}, and the endpoint asked for none before {not_before:?}");
        of.last_exchange = now;
        self.requests.retain(|other| other.until > now);
        let lost = self.store.has_lost(request.owner, now);
        self.coverage.reach_if(lost, Reached::LeaseLost);
        assert!(request.is_alone || lost || self.store.is_held_by(request.owner), "a request without the lease");
        for other in &self.requests {
            let other_lost = self.store.has_lost(other.owner, now);
            self.coverage.reach_if(other_lost, Reached::LeaseLostInFlight);
            let is_excused = request.is_alone || other.is_alone || lost || other_lost;
            assert!(is_excused, "two requests in flight: of {} and of {}", other.process, request.process);
        }
        self.coverage.reach_if(request.is_alone && self.faults.store, Reached::AloneAfterStoreFailure);
        if self.is_calm {
            assert!(!request.is_alone && self.requests.is_empty(), "two requests in flight though nothing fails");
            self.check_need();
        }
        self.check_shared_failure(&request);
        self.responses_at.push(request.until);
        self.sent_at.push(now);
        if request.until > now + SECOND {
            self.slow_until = self.slow_until.max(request.until);
        }
        self.requests.push(request);
        self.requests_sent += 1;
        if let EndpointResponse::Token { number, ttl } = response {
            // Issued again for a shorter time, it is valid for as long as was said before.
            let expiry = self.expiries.entry(number).or_default();
            *expiry = (*expiry).max(now + ttl);
            let earliest = self.earliest_expiries.entry(number).or_insert(now + ttl);
            *earliest = (*earliest).min(now + ttl);
            self.newest = Some(NewestToken { number, sent_at: now, ttl });
        }
    }

    /// The refusal of one request concerns all processes, until the next one may be sent.
    fn check_shared_failure(&mut self, request: &RequestInFlight) {
        if self.faults.store || self.faults.processes || request.is_alone || !self.store_knows_ages() {
            return;
        }
        let now = self.now;
        let forbidden_until = self.store.entry(now).and_then(|entry| entry.failure_until);
        // Redis counts milliseconds.
        let is_allowed = forbidden_until.is_none_or(|until| now + SECOND / 100 >= until);
        assert!(is_allowed, "a request is sent at {now:?} and another process knows that none may be");
        let minute_ago = now.saturating_sub(60 * SECOND);
        if self.slow_until <= minute_ago && self.refuses_since.is_some_and(|since| since <= minute_ago) {
            let sent = self.sent_at.iter().rev().take_while(|at| **at > minute_ago).count();
            assert!(sent < REQUESTS_PER_MINUTE, "{sent} requests in a minute to an endpoint that refuses each");
        }
    }

    /// All processes hear soon of an endpoint that refuses every request.
    fn check_heard_soon(&self, began: Duration, status: Status) {
        let is_refused = self.refuses_since.is_some_and(|since| since <= began) && self.slow_until <= began;
        if is_refused && !self.faults.store && !self.faults.processes && self.store_knows_ages() {
            let waited = self.now - began;
            let is_soon = waited <= reference_policy::SHARED_FAILURE_HEARD_WITHIN;
            assert!(is_soon && status != Status::DeadlineExceeded, "a caller hears {status:?} after {waited:?}");
        }
    }

    /// One request must be enough for all, until the newest token is due, or rejected.
    fn check_need(&mut self) {
        let Some(newest) = self.newest.as_ref().filter(|newest| self.endpoint.accepts(newest.number)) else { return };
        let age_wrong_by = if self.store_knows_ages() { SECOND } else { AGE_WRONG_BY };
        let sent_at = Instant::from_origin(newest.sent_at);
        let due_at = reference_policy::refresh_at(sent_at, newest.ttl, None).least - age_wrong_by;
        let due_at = due_at.since_origin();
        assert!(self.now >= due_at, "a request at {:?}, although the newest token is due at {due_at:?}", self.now);
    }

    /// A holder is bypassed only by processes that have waited for it as long as it may take.
    pub(super) fn check_holder_is_stuck(&mut self) {
        self.coverage.reach(Reached::AloneAfterBypass);
        let since = self.store.held_since();
        let least = reference_policy::lease_holder_timeout(self.request_timeout) - SECOND;
        let is_stuck = since.is_none_or(|since| since + least <= self.now);
        // The knowledge of a stopped process may be old.
        let is_excused = self.faults.processes || self.faults.store;
        assert!(is_stuck || is_excused, "a holder is bypassed that has held the lease since {since:?}");
    }

    /// Whether every process knows how old a token in the store is.
    fn store_knows_ages(&self) -> bool {
        self.store.kind == StoreKind::Redis || self.machines.len() == 1 && !self.faults.processes
    }

    /// Whether a token seems young enough to every process. Where it does not, they may end each other's.
    fn can_share(&self) -> bool {
        self.ttl >= 10 * AGE_WRONG_BY || self.store_knows_ages()
    }

    /// Nothing fails any more, all tokens were revoked a moment ago, and each process has been called since.
    pub(super) fn check_recovery(&mut self, requests_before: u64) {
        let served: Vec<_> = self.processes.iter().map(|process| process.served).collect();
        assert!(!served.contains(&None), "a process has no token in the end: {served:?}");
        if self.can_share() {
            self.coverage.reach(Reached::Shared);
            let is_accepted = served[0].is_some_and(|number| self.endpoint.accepts(number));
            assert!(is_accepted, "the token that they share is rejected");
            assert!(served.windows(2).all(|pair| pair[0] == pair[1]), "they share no token in the end: {served:?}");
            let requests = self.requests_sent - requests_before;
            assert_eq!(requests, 1, "requests for all of them, after a revocation");
        }
    }
}
