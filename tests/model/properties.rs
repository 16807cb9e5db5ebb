//! The properties that hold in every state, whatever the order of events.

use std::time::Duration;

use bankhub_core::Published;
use stateright::Property;

use crate::coverage::Reached;
use crate::endpoint::token_number;
use crate::fleet::{Fleet, SECOND, State};
use crate::process::Process;
use crate::store::{Session, Store};

pub(crate) const TWO_REQUESTS: &str = "never two requests in flight while the lease is kept";
pub(crate) const WITHOUT_LEASE: &str = "no request without the lease while the store works";
pub(crate) const LEASE_LOST: &str = "no lease ends under a holder that works";
pub(crate) const NEEDLESS_REQUEST: &str = "no request while the store has a token for it";
pub(crate) const TOLD_TWICE: &str = "no request before the time that the endpoint's failure set";
pub(crate) const FAILURE_ENDS: &str = "a failure ends";
pub(crate) const REJECTED_TOKEN_RETURNS: &str = "no rejected token returns";
pub(crate) const STALE_TOKEN: &str = "no stale token is served";
pub(crate) const WAITS_FOR_THE_PAST: &str = "nobody waits for a time that is past";
pub(crate) const LOOPS: &str = "nobody does the same again and again";
pub(crate) const WAITS_TOO_LONG: &str = "every caller hears in time";
pub(crate) const SLEEPS: &str = "nobody sleeps in spite of a token";
pub(crate) const WAITS_FOR_EVER: &str = "nobody waits for ever";
pub(crate) const RECOVERS: &str = "after the faults all get the same token";

/// Waiting for the lease, for a request, and once more for both before a retry.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// No failure of a few fetches in a row forbids requests for longer.
pub(crate) const FAILURE_MAX: Duration = Duration::from_secs(60);

/// Most are broken by an event: the state remembers the first.
macro_rules! kept {
    ($name:expr) => {
        Property::always($name, |_: &Fleet, state: &State| state.broken != Some($name))
    };
}

pub(crate) fn all() -> Vec<Property<Fleet>> {
    vec![
        kept!(TWO_REQUESTS),
        kept!(WITHOUT_LEASE),
        kept!(LEASE_LOST),
        kept!(NEEDLESS_REQUEST),
        kept!(TOLD_TWICE),
        kept!(FAILURE_ENDS),
        kept!(REJECTED_TOKEN_RETURNS),
        kept!(STALE_TOKEN),
        kept!(WAITS_FOR_THE_PAST),
        kept!(LOOPS),
        kept!(WAITS_TOO_LONG),
        kept!(SLEEPS),
        Property::always(WAITS_FOR_EVER, |_: &Fleet, state: &State| {
            state.broken.is_some() || state.is_quiet() || !state.possible_actions().is_empty()
        }),
        Property::always(RECOVERS, |fleet: &Fleet, state: &State| {
            state.broken.is_some() || !state.is_quiet() || fleet.recovers_from(state)
        }),
    ]
}

/// Time has passed.
pub(crate) fn check_waiting(state: &mut State) {
    let sleeps = |of: &Process| {
        let is_there = of.tokens.published().is_some_and(|published| published.confirm_at.is_none());
        of.caller.is_some() && is_there && of.stopped_at.is_none()
    };
    if state.processes.iter().any(|hashed| sleeps(&hashed.process)) {
        state.break_property(SLEEPS);
    }
    let callers = state.processes.iter().filter_map(|hashed| hashed.process.caller.as_ref());
    let is_late = callers.filter(|caller| !caller.was_stopped).any(|caller| state.now > caller.since + WAIT_MAX);
    if is_late {
        state.break_property(WAITS_TOO_LONG);
    }
}

/// A fetch thread is about to send a request.
pub(crate) fn check_request(fleet: &Fleet, state: &mut State, of: &Process, thread: usize) {
    let thread = &of.threads[thread];
    let keeps_lease = |session: &Session| state.store.is_held_by(session) || !session.may_lose_lease;
    let others = state.processes.iter().flat_map(|hashed| &hashed.process.threads);
    let in_flight = others.filter(|other| other.request_is_in_flight());
    let leases_in_flight: Vec<bool> = in_flight.filter_map(|other| other.session.as_ref().map(keeps_lease)).collect();
    fleet.coverage.reach_if(leases_in_flight.contains(&false), Reached::LeaseLostInFlight);
    let Some(session) = &thread.session else {
        fleet.coverage.reach(Reached::AloneAfterStoreFailure);
        return if !thread.may_send_alone {
            state.break_property(WITHOUT_LEASE)
        };
    };
    let is_broken = if session.lease.is_none() {
        Some(WITHOUT_LEASE)
    } else if !keeps_lease(session) {
        None
    } else if !state.store.is_held_by(session) {
        Some(LEASE_LOST)
    } else if leases_in_flight.contains(&true) {
        Some(TWO_REQUESTS)
    } else {
        (!thread.rejected_since && state.store.has_token_for(of, state)).then_some(NEEDLESS_REQUEST).or_else(|| {
            let entry = state.store.entry.as_ref().filter(|entry| state.store.knows_ages && !entry.is_of_loser);
            let is_told = entry.and_then(|entry| entry.failure_until).is_some_and(|until| state.now < until);
            is_told.then_some(TOLD_TWICE)
        })
    };
    if let Some(name) = is_broken {
        state.break_property(name);
    }
}

impl Store {
    /// Whether it has a token that makes the request of this process needless.
    fn has_token_for(&self, of: &Process, state: &State) -> bool {
        let entry = self.entry.as_ref().filter(|entry| !entry.is_of_loser);
        let is_good = |number| state.endpoint.accepts(number) && !of.has_rejected(number);
        let entry = entry.filter(|entry| entry.token.is_some_and(is_good));
        let Some(token) = entry.and_then(|entry| self.open(entry, of.clocks, state.now).token) else { return false };
        let own = of.tokens.published().filter(|own| !of.has_rejected(token_number(&own.token.value)));
        let is_better = |own: Published<'_>| token.expires_at().boottime > own.token.expires_at().boottime + SECOND;
        !token.is_stale(of.clocks.at(state.now)) && own.is_none_or(is_better)
    }
}
