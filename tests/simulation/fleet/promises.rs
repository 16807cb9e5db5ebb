//! What must hold for a fleet, whatever befalls it: checked against what the simulation alone knows, such as when a
//! token really ends.

use std::time::Duration;

use super::coverage::Reached;
use super::process::Call;
use super::store::Kind;
use super::world::Fleet;
use crate::clock::SECOND;
use crate::error::Status;
use crate::life::Moment;
use crate::numbers;
use crate::policy;
use crate::server::Outcome;

/// A token request that the endpoint is busy with.
pub(super) struct Request {
    pub(super) process: usize,
    pub(super) owner: u64,
    /// It goes out without a lease, because the store failed or its holder is stuck.
    pub(super) is_alone: bool,
    pub(super) until: Duration,
}

/// The newest token, as the endpoint knows it.
pub(super) struct Newest {
    pub(super) number: u64,
    sent: Duration,
    ttl: Duration,
}

/// Two looks into the store in a backoff, and some time for each.
const LEARNED_WITHIN: Duration = Duration::from_secs(14);

/// Whoever rejects more, one after the other, may take the first of them for good again.
const REJECTED_REMEMBERED: usize = 16;

/// Before its end.
const HANDED_OUT_UNTIL: Duration = Duration::from_secs(31);

/// How far two wall clocks may be apart.
pub(super) const CLOCKS_APART_MAX: Duration = Duration::from_secs(300);

/// What two clocks that are apart, and the margin for it, can make of a token's age in a directory.
const AGE_WRONG_BY: Duration = Duration::from_secs(600);

impl Fleet {
    /// The number of the token that a caller is handed out.
    pub(super) fn check_token(&mut self, process: usize) -> u64 {
        let now = self.now;
        let of = &mut self.processes[process];
        let offer = of.life.offer().expect("the life has just said that there is a token");
        let number = number(offer.value.expose());
        assert!(now < self.ends[&number], "a token is handed out past its end");
        let remembered = of.rejected.iter().rev().take(REJECTED_REMEMBERED).any(|rejected| *rejected == number);
        let returns = remembered && of.held != Some(number);
        assert!(!returns, "a token comes back that was rejected here");
        of.held = Some(number);
        number
    }

    /// A caller is told of a failure, or has waited for too long.
    pub(super) fn check_failure(&mut self, call: usize, status: Status) {
        self.reached.see(Reached::FailedCall);
        let Call { process, began, .. } = self.calls[call];
        let of = &self.processes[process];
        // Its fetch may be overdue when it goes on, and a token of a request before its wall clock was set be over on
        // arrival: both end in the shortest backoff.
        let disturbed_until = of.stopped_until.max(self.machines[of.machine].wall_set_at + self.request_timeout);
        if disturbed_until + 2 * SECOND > began {
            return;
        }
        if let Some(overdue) = of.overdue {
            assert!(
                self.now <= began.max(overdue) + SECOND,
                "a caller is told late of a request overdue at {overdue:?}"
            );
        }
        // While it waits for one late answer after the other, what each brings may be revoked.
        let answers = self.answers.iter().rev().take_while(|at| **at > began).count();
        let waited_for_others = self.trouble.delays && status == Status::Deadline && answers >= 3;
        // A token that is refused at once may be gone again before all who waited for it have woken.
        let excused = self.trouble.endpoint || waited_for_others || of.last_rejection > began || !self.can_share();
        assert!(excused, "a call fails with {status:?} though the endpoint is well");
        let in_flight = self.requests.iter().any(|request| request.process == process && request.until > self.now);
        let busy =
            in_flight || of.last_exchange + LEARNED_WITHIN > self.now || of.calls_since + LEARNED_WITHIN > self.now;
        // Across machines, a token in a directory may look older than it is.
        if self.trouble.store || self.trouble.processes || busy || !self.store_tells_ages() {
            return;
        }
        let (now, ends) = (self.now, &self.ends);
        let rejected = &self.processes[process].rejected;
        let useful = self.store.lying(now).filter(|lying| {
            lying.since + LEARNED_WITHIN < now
                && !rejected.contains(&lying.number)
                && now + HANDED_OUT_UNTIL < ends[&lying.number]
        });
        assert!(useful.is_none(), "a call fails with {status:?} although another process's token lies in the store");
    }

    /// A token request goes out.
    pub(super) fn check_request(&mut self, request: Request, outcome: Outcome) {
        let now = self.now;
        let of = &mut self.processes[request.process];
        assert!(
            now >= of.not_before,
            "a request at {now:?}, and the endpoint has asked for none before {:?}",
            of.not_before
        );
        of.last_exchange = now;
        self.requests.retain(|other| other.until > now);
        let lost = self.store.has_lost(request.owner, now);
        self.reached.see_if(lost, Reached::LeaseLost);
        assert!(request.is_alone || lost || self.store.is_held_by(request.owner), "a request without the lease");
        for other in &self.requests {
            let lost_too = self.store.has_lost(other.owner, now);
            self.reached.see_if(lost_too, Reached::LeaseLostInFlight);
            let excused = request.is_alone || other.is_alone || lost || lost_too;
            assert!(excused, "two requests in flight: of {} and of {}", other.process, request.process);
        }
        self.reached.see_if(request.is_alone && self.trouble.store, Reached::AloneBecauseItFailed);
        if self.is_calm {
            assert!(!request.is_alone && self.requests.is_empty(), "two requests in flight though all is well");
            self.check_need();
        }
        self.answers.push(request.until);
        self.requests.push(request);
        self.requests_sent += 1;
        if let Outcome::Token { number, ttl } = outcome {
            // Issued once more for a shorter time, it lasts for as long as was said before.
            let end = self.ends.entry(number).or_default();
            *end = (*end).max(now + ttl);
            self.newest = Some(Newest { number, sent: now, ttl });
        }
    }

    /// One request is to be enough for all: until the newest token is due, or is worth nothing any more.
    fn check_need(&mut self) {
        let Some(newest) = self.newest.as_ref().filter(|newest| self.server.accepts(newest.number)) else { return };
        let sent = Moment { boot: newest.sent, wall: newest.sent };
        let age_wrong_by = if self.store_tells_ages() { SECOND } else { AGE_WRONG_BY };
        let due = numbers::due(sent, newest.ttl, None).least.saturating_sub(age_wrong_by);
        assert!(self.now >= due, "a request at {:?}, although the newest token is due at {due:?}", self.now);
    }

    /// Who passes a holder by has waited for it as long as its turn may take.
    pub(super) fn check_that_holder_is_stuck(&mut self) {
        self.reached.see(Reached::AloneBecauseOfItsHolder);
        let since = self.store.held_since();
        let least = policy::turn_takes(self.request_timeout) - SECOND;
        let stuck = since.is_none_or(|since| since + least <= self.now);
        // What a stopped process was told may be old.
        assert!(stuck || self.trouble.processes || self.trouble.store, "a holder is passed by after {since:?}");
    }

    /// Whether every process can tell how old a token in the store is.
    fn store_tells_ages(&self) -> bool {
        self.store.kind == Kind::Redis || self.machines.len() == 1 && !self.trouble.processes
    }

    /// Whether a token looks young enough to every process. Where it does not, they may end each other's.
    fn can_share(&self) -> bool {
        self.ttl >= 10 * AGE_WRONG_BY || self.store_tells_ages()
    }

    /// All is well again, all tokens were revoked a moment ago, and each process has been asked for one since.
    pub(super) fn check_recovery(&mut self, requests_before: u64) {
        let held: Vec<_> = self.processes.iter().map(|process| process.held).collect();
        assert!(!held.contains(&None), "somebody has no token in the end: {held:?}");
        if self.can_share() {
            self.reached.see(Reached::Shared);
            let accepted = held[0].is_some_and(|number| self.server.accepts(number));
            assert!(accepted, "the token that they share is worth nothing");
            assert!(held.windows(2).all(|pair| pair[0] == pair[1]), "they share no token in the end: {held:?}");
            let requests = self.requests_sent - requests_before;
            assert_eq!(requests, 1, "requests for all of them, after a revocation");
        }
    }
}

pub(super) fn number(value: &str) -> u64 {
    let digits = value.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().expect("the number of a token ends its value")
}
