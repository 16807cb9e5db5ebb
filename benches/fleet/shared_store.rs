//! The processes of a fleet while they share a store: what one of them does, the others see.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;
use std::time::Duration;

use bankhub_core::{Action, Event, Fetch, Lease, TokenResponse, policy};

use crate::fleet::{Counts, Fleet, NOTICED_WITHIN};
use crate::process::{Process, REQUEST_TIMEOUT, TokenNumber, response, timestamp, unavailable};
use crate::store::Store;

/// How long a process takes to read the store, and to ask for the lease if the token there is useless.
const READ_DURATION: Duration = Duration::from_millis(1);

impl Fleet {
    /// Simulates processes that share a store, event by event, as each depends on the others. Returns what the endpoint
    /// sees, and what the store sees.
    pub(crate) fn simulate_with_store(&self) -> (Counts, Counts) {
        let mut outside = Outside::new(self);
        let mut processes: Vec<_> = (0..self.processes).map(|seed| SharingProcess::new(seed, self)).collect();
        let mut next: BinaryHeap<_> = (0..processes.len()).map(|index| Reverse((Duration::ZERO, index))).collect();
        // Each process has one event to come, which replaces its last one.
        while let Some(mut event) = next.peek_mut().filter(|event| event.0.0 < self.duration) {
            let Reverse((now, index)) = *event;
            *event = Reverse((processes[index].advance(now, &mut outside), index));
        }
        (self.count(&outside.requests), self.count(&outside.reads))
    }
}

/// The world that the processes share.
struct Outside<'f> {
    fleet: &'f Fleet,
    store: Store,
    request_in_flight: bool,
    /// Token requests, and reads of the store, in each second.
    requests: Vec<u32>,
    reads: Vec<u32>,
}

impl<'f> Outside<'f> {
    fn new(fleet: &'f Fleet) -> Self {
        let seconds = vec![0; fleet.duration.as_secs() as usize + 1];
        Self { fleet, store: Store::default(), request_in_flight: false, requests: seconds.clone(), reads: seconds }
    }

    fn respond(&self, sent_at: Duration) -> Option<TokenResponse> {
        let is_up = !self.fleet.outage().contains(&sent_at);
        is_up.then(|| response(sent_at.as_nanos() as TokenNumber, self.fleet.ttl))
    }
}

/// One process, in which some caller always asks for a token.
struct SharingProcess {
    process: Process,
    fetch: Fetch,
    /// The event that the fetch waits for; `None`: no fetch is in flight.
    pending: Option<Pending>,
    holds_lease: bool,
    /// From when on an API answers 401 to the tokens that were revoked.
    noticed_at: Duration,
    /// When the request for the last token was sent that this process has rejected.
    rejected: Duration,
}

enum Pending {
    Read,
    Response { sent_at: Duration },
}

impl SharingProcess {
    fn new(seed: u64, fleet: &Fleet) -> Self {
        let mut process = Process::new(seed, fleet.has_jitter, policy::lease_wait_max(REQUEST_TIMEOUT));
        let noticed_at = fleet.revocation() + NOTICED_WITHIN.mul_f64(process.random().f64());
        let rejected = Duration::ZERO;
        Self { process, fetch: Fetch::new(), pending: None, holds_lease: false, noticed_at, rejected }
    }

    /// Does what there is to do now; returns when there is more.
    fn advance(&mut self, now: Duration, outside: &mut Outside<'_>) -> Duration {
        match self.pending.take() {
            None => self.poll(now, outside),
            Some(Pending::Read) => {
                outside.reads[now.as_secs() as usize] += 1;
                let entry = outside.store.read(now);
                self.carry_out(Event::StoreRead(entry), now, outside)
            }
            Some(Pending::Response { sent_at }) => {
                outside.request_in_flight = false;
                let response = outside.respond(sent_at).ok_or_else(unavailable);
                self.carry_out(Event::Response(response), now, outside)
            }
        }
    }

    /// A caller asks for a token, or reports a 401.
    fn poll(&mut self, now: Duration, outside: &mut Outside<'_>) -> Duration {
        let mut begins = false;
        if now >= self.noticed_at
            && let Some(revoked) = self.revoked_token(outside.fleet)
        {
            self.rejected = revoked;
            begins = self.process.invalidate(revoked.as_nanos() as TokenNumber, now);
        }
        if begins || self.process.poll(now) {
            self.fetch = Fetch::new();
            return self.carry_out(Event::Started, now, outside);
        }
        let next = self.next_poll(now, outside.fleet);
        assert!(next > now, "no caller polls again before it makes a difference");
        next
    }

    /// Carries out one action after the other, until one takes time. Returns when that ends.
    fn carry_out(&mut self, mut event: Event, mut now: Duration, outside: &mut Outside<'_>) -> Duration {
        loop {
            let jitter = self.process.jitter();
            event = match self.fetch.step(event, &mut self.process.state, timestamp(now), jitter) {
                Action::ReadStore => {
                    self.pending = Some(Pending::Read);
                    return now + READ_DURATION;
                }
                Action::AcquireLease => {
                    let lease = outside.store.acquire_lease(now);
                    self.holds_lease = lease == Lease::Held;
                    Event::LeaseObserved(lease)
                }
                Action::ExtendLease => {
                    outside.store.extend_lease(now);
                    Event::LeaseExtended(true)
                }
                Action::Remove => {
                    outside.store.remove();
                    Event::Removed
                }
                // Nothing happens to this process before that, so it can wake at once.
                Action::SleepUntil(at) => {
                    now = at.since_origin();
                    Event::Woke
                }
                Action::Send => {
                    assert!(self.holds_lease, "every holder releases the lease, and so none is bypassed");
                    assert!(!mem::replace(&mut outside.request_in_flight, true), "one request at a time in the fleet");
                    outside.requests[now.as_secs() as usize] += 1;
                    self.pending = Some(Pending::Response { sent_at: now });
                    return now + self.process.request_duration();
                }
                Action::Write(entry) => {
                    outside.store.write(entry);
                    Event::Written
                }
                Action::Release => {
                    if mem::take(&mut self.holds_lease) {
                        outside.store.release_lease();
                    }
                    Event::Released
                }
                Action::Done => return self.next_poll(now, outside.fleet),
            };
        }
    }

    /// When a poll makes a difference again.
    fn next_poll(&self, now: Duration, fleet: &Fleet) -> Duration {
        let next_check_at = self.process.next_check_at();
        let Some(published) = self.process.state.published() else { return next_check_at.max(now) };
        let stale_at = published.token.stale_at().realtime;
        let noticed_at = self.revoked_token(fleet).map_or(Duration::MAX, |_| self.noticed_at);
        next_check_at.min(stale_at).min(noticed_at).max(now)
    }

    /// When the request for the token was sent, if the token was revoked, or will be, and is not yet rejected.
    fn revoked_token(&self, fleet: &Fleet) -> Option<Duration> {
        let sent_at = self.process.state.published()?.token.sent_at.realtime;
        (self.rejected < sent_at && sent_at < fleet.revocation()).then_some(sent_at)
    }
}
