//! The life of a token: what happened and when goes in, what to do comes out. No I/O, no clock, no lock, no randomness.

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::{Error, Status};
use crate::policy::{self, Chance};
use crate::secret::Secret;

/// A moment, on the two clocks that a token's end is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Since ten years before the machine started, its sleep included.
    pub(crate) boot: Duration,
    /// Since 1970, as the wall clock has it, which may be set.
    pub(crate) wall: Duration,
}

impl Moment {
    pub(crate) fn after(self, time: Duration) -> Self {
        Self { boot: self.boot + time, wall: self.wall + time }
    }

    pub(crate) fn before(self, time: Duration) -> Self {
        Self { boot: self.boot.saturating_sub(time), wall: self.wall.saturating_sub(time) }
    }

    /// The earlier of both, on each clock.
    pub(crate) fn earliest(self, other: Self) -> Self {
        Self { boot: self.boot.min(other.boot), wall: self.wall.min(other.wall) }
    }
}

/// A token as the endpoint granted it. It lives from the moment its request was sent.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) value: Secret,
    pub(crate) ttl: Duration,
    pub(crate) sent: Moment,
}

/// A token request that brought no token.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// What the endpoint asked for, if it did.
    pub(crate) retry_after: Option<Duration>,
}

/// What a look into the store came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The fetch has ended: another process's token is the current one now, or no request may follow the look.
    Ended,
    /// An API answered 401 here to what lies there.
    Rejected,
    /// Nothing that lasts longer than what there is.
    Useless,
}

/// What a caller gets now.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Token,
    Wait,
    Fail(Error),
}

/// What the fetch does after a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    RequestAgain(Duration),
    End,
}

/// What is published of a usable token.
pub(crate) struct Offer<'a> {
    pub(crate) value: &'a Secret,
    pub(crate) generation: u64,
    pub(crate) sent: Moment,
    pub(crate) ttl: Duration,
    /// From when (`boot`) a caller must look in, because a fetch may be wanted; `None`: one is in flight.
    pub(crate) attention: Option<Duration>,
}

/// What a cache has done and is doing: for monitoring, never for deciding when to ask. Holds no secret.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Of the token that `get` would return at once; 0: no valid token now.
    pub generation: u64,
    /// Unix seconds of the token's end; 0: no valid token now.
    pub expires_at: i64,
    /// Unix seconds from which the token is renewed beside its callers; 0: no valid token now.
    pub refresh_at: i64,
    /// Unix seconds before which no token request goes out; 0: one may go out now.
    pub next_attempt_at: i64,
    /// Unix seconds; 0: none yet.
    pub last_success_at: i64,
    /// Unix seconds; 0: none yet.
    pub last_failure_at: i64,
    /// Token requests sent.
    pub requests: u64,
    /// Token requests that brought a usable token.
    pub successes: u64,
    /// Token requests that did not.
    pub failures: u64,
    /// Token requests that did not, since the last that did.
    pub consecutive_failures: u64,
    /// Reported rejections of the current token.
    pub rejections: u64,
    /// Reported rejections of anything else, which changed nothing.
    pub ignored_rejections: u64,
    /// Callers blocked now.
    pub waiters: u64,
    /// Whether a fetch is in flight.
    pub fetching: bool,
    /// Of the last failed fetch; or else of the store, in the last fetch; `None`: none since the last success.
    pub last_error: Option<Error>,
}

/// More than a process can reject while one of them lies in a store.
const REJECTED_REMEMBERED: usize = 16;

pub(crate) struct Life {
    refresh_ahead: Option<Duration>,
    request_timeout: Duration,
    /// How long it may take, before a request, until it is this process's turn to send one; zero: there is no store.
    turns_take: Duration,
    /// When (`boot`) the store may be looked into although no request may follow.
    next_look: Duration,
    generation: u64,
    held: Option<Held>,
    fetch: Option<Fetch>,
    failing: Option<Failing>,
    /// Tokens in a row, the newest last, that were rejected soon after their issue.
    rejected_early: u32,
    /// Digests of the last tokens that were rejected, so that none is taken back from the store.
    rejected: VecDeque<u64>,
    /// Why the last fetch was without the store, or others were without its token.
    store_failure: Option<Error>,
    counts: Stats,
}

struct Held {
    value: Secret,
    generation: u64,
    sent: Moment,
    ttl: Duration,
    due: Duration,
    rejected: bool,
    /// Rejected, and its replacement is being fetched while callers wait for it.
    withdrawn: bool,
}

struct Fetch {
    /// When its first request went out, or else when it began.
    begun: Duration,
    /// It looks into the store, and no request follows.
    only_looks: bool,
    requests: u32,
    /// When the request in flight, or the wait for this process's turn, counts as overdue.
    overdue_at: Duration,
    /// Of the request before the one in flight.
    last_failure: Option<Error>,
    /// It has outlasted its time: callers were told, and nobody waits for it any more.
    overdue: bool,
}

struct Failing {
    error: Error,
    fetches: u32,
    next_attempt: Duration,
    /// A token of another process was taken over since: no more than its backoff is left of it.
    is_mended: bool,
}

impl Life {
    /// A life that starts without a token, whose generations go on from `generation`. With a store, `turns_take` is how
    /// long a process may wait there for another.
    pub(crate) fn new(
        refresh_ahead: Option<Duration>,
        request_timeout: Duration,
        turns_take: Duration,
        generation: u64,
    ) -> Self {
        Self {
            refresh_ahead,
            request_timeout,
            turns_take,
            next_look: Duration::ZERO,
            generation,
            held: None,
            fetch: None,
            failing: None,
            rejected_early: 0,
            rejected: VecDeque::new(),
            store_failure: None,
            counts: Stats::default(),
        }
    }

    /// Takes over the current token of a life that ended with the process it was in.
    pub(crate) fn inherit(&mut self, grant: Grant, chance: Chance) {
        self.held = Some(self.hold(grant, self.generation, chance));
    }

    /// What a caller gets who asks now. `Wait` is only said while a fetch is in flight, so ask `wants_fetch` first.
    pub(crate) fn answer(&mut self, now: Moment) -> Answer {
        self.advance(now);
        if self.held.as_ref().is_some_and(|held| !held.withdrawn) {
            return Answer::Token;
        }
        match (&self.fetch, &self.failing) {
            (Some(Fetch { only_looks: true, .. }), Some(failing)) if now.boot < failing.next_attempt => {
                Answer::Fail(self.error_of(failing, now))
            }
            (Some(Fetch { overdue: false, .. }), _) | (_, None) => Answer::Wait,
            (_, Some(failing)) => Answer::Fail(self.error_of(failing, now)),
        }
    }

    /// Whether a fetch is to begin now that somebody has asked.
    pub(crate) fn wants_fetch(&mut self, now: Moment) -> bool {
        self.advance(now);
        self.fetch.is_none() && now.boot >= self.attention()
    }

    /// A fetch begins; from now on it is the one in flight.
    pub(crate) fn begin_fetch(&mut self, now: Moment) {
        debug_assert!(self.fetch.is_none(), "one fetch at a time");
        self.store_failure = None;
        self.fetch = Some(Fetch {
            begun: now.boot,
            only_looks: now.boot < self.next_fetch(),
            requests: 0,
            overdue_at: self.overdue_after(now.boot + self.turns_take),
            last_failure: None,
            overdue: false,
        });
    }

    /// The store was looked into, as it must be before a request goes out: this token lies there, if one does.
    pub(crate) fn looked(&mut self, lying: Option<Grant>, now: Moment, chance: Chance) -> Found {
        self.advance(now);
        let only_looks = self.end_look(now, chance);
        let found = match lying {
            Some(grant) if self.rejected.contains(&grant.value.digest()) => Found::Rejected,
            Some(grant) if self.is_improved_by(&grant, now) => {
                // What forbids a request goes on to, whoever has a token.
                let failing = self.failing.take().filter(|_| only_looks);
                self.take(grant, chance);
                self.failing = failing.map(|failing| Failing { is_mended: true, ..failing });
                Found::Ended
            }
            _ => Found::Useless,
        };
        if only_looks { Found::Ended } else { found }
    }

    /// The store could not be used in the fetch in flight, or not as it should.
    pub(crate) fn store_failed(&mut self, failure: Error) {
        self.store_failure = Some(failure);
    }

    /// The fetch could not begin after all: no request went out.
    pub(crate) fn cannot_fetch(&mut self, failure: Failure, now: Moment, chance: Chance) {
        self.end_fetch(failure, now, chance);
    }

    /// One process after the other had its turn, and none has put a token into the store. Whether the fetch ends with
    /// that: who has no token, and has not yet failed to get one, asks for it without a turn.
    pub(crate) fn gives_up(&mut self, failure: Failure, now: Moment, chance: Chance) -> bool {
        self.advance(now);
        let may_wait = self.failing.is_some() || self.offer().is_some();
        if may_wait {
            self.end_fetch(failure, now, chance);
        }
        may_wait
    }

    /// A request of the fetch in flight is about to go out. Whether it may: where the pause before it took too long, or
    /// none may follow a look into the store, the fetch has ended instead.
    pub(crate) fn send_request(&mut self, now: Moment, chance: Chance) -> bool {
        self.advance(now);
        let overdue_at = self.overdue_after(now.boot);
        if self.end_look(now, chance) {
            return false;
        }
        let Some(fetch) = &mut self.fetch else { return false };
        let too_late = now.boot > fetch.begun + self.request_timeout;
        if too_late && let Some(error) = fetch.last_failure.take() {
            self.end_fetch(Failure { error, retry_after: None }, now, chance);
            return false;
        }
        if fetch.requests == 0 {
            fetch.begun = now.boot;
        }
        fetch.requests += 1;
        // Its turn may have come late: callers wait again, for the request now.
        (fetch.overdue_at, fetch.overdue) = (overdue_at, false);
        self.counts.requests += 1;
        true
    }

    /// The request in flight was answered. The store is told before any caller is, and has time of its own for that.
    pub(crate) fn answered(&mut self, now: Moment) {
        self.advance(now);
        if let Some(fetch) = &mut self.fetch {
            fetch.overdue_at = fetch.overdue_at.max(now.boot + policy::STORE_TOLD_MAX + policy::OVERDUE_GRACE);
        }
    }

    /// The request in flight brought a token.
    pub(crate) fn granted(&mut self, grant: Grant, now: Moment, chance: Chance) -> Next {
        self.advance(now);
        if past_limit(grant.sent, grant.ttl, now) {
            let message = format!("a token that lives {:?} arrived after its end: the answer took too long", grant.ttl);
            self.count_failure(now);
            return self.end_fetch(
                Failure { error: Error::new(Status::Unavailable, message), retry_after: None },
                now,
                chance,
            );
        }
        self.counts.successes += 1;
        self.counts.consecutive_failures = 0;
        self.counts.last_success_at = unix(now.wall);
        self.take(grant, chance);
        Next::End
    }

    /// Ends the fetch with a token.
    fn take(&mut self, grant: Grant, chance: Chance) {
        self.fetch = None;
        self.failing = None;
        match self.held.take() {
            Some(held) if held.value == grant.value => self.extend(held, grant, chance),
            before => {
                // Only tokens rejected one right after the other count: this one ended in peace.
                if before.is_some_and(|held| !held.rejected) {
                    self.rejected_early = 0;
                }
                self.generation += 1;
                self.held = Some(self.hold(grant, self.generation, chance));
            }
        }
    }

    /// The request in flight failed.
    pub(crate) fn failed(&mut self, failure: Failure, now: Moment, chance: Chance) -> Next {
        self.advance(now);
        self.count_failure(now);
        let Some(pause) = self.pause_before_retry(&failure, now, chance) else {
            return self.end_fetch(failure, now, chance);
        };
        if let Some(fetch) = &mut self.fetch {
            fetch.last_failure = Some(failure.error);
            fetch.overdue_at += self.turns_take;
        }
        Next::RequestAgain(pause)
    }

    /// Somebody reports that an API answered 401 to this token. Whether it was the current one.
    pub(crate) fn rejected(&mut self, token: &str, now: Moment) -> bool {
        self.advance(now);
        let failing = self.failing.as_ref().is_some_and(|failing| now.boot < failing.next_attempt);
        let overdue = self.is_overdue();
        let Some(held) = self.held.as_mut().filter(|held| held.value.expose() == token) else {
            self.counts.ignored_rejections += 1;
            return false;
        };
        self.counts.rejections += 1;
        if held.rejected {
            return true;
        }
        held.rejected = true;
        self.rejected.push_front(held.value.digest());
        self.rejected.truncate(REJECTED_REMEMBERED);
        let early = policy::rejected_early(now.boot.saturating_sub(held.sent.boot), held.ttl);
        if !early {
            self.rejected_early = 0;
        }
        held.withdrawn = self.rejected_early == 0 && !failing && !overdue;
        held.due = match self.rejected_early {
            0 => now.boot,
            tokens => held.due_apart(tokens),
        };
        self.next_look = now.boot;
        self.rejected_early += u32::from(early);
        true
    }

    /// When (`boot`) the fetch in flight counts as overdue, if one is in flight that does not yet.
    pub(crate) fn overdue_at(&self) -> Option<Duration> {
        self.fetch.as_ref().filter(|fetch| !fetch.overdue).map(|fetch| fetch.overdue_at)
    }

    /// The token to publish: the one that callers may have without asking.
    pub(crate) fn offer(&self) -> Option<Offer<'_>> {
        let held = self.held.as_ref().filter(|held| !held.withdrawn)?;
        let attention = if self.fetch.is_some() { None } else { Some(self.attention()) };
        Some(Offer { value: &held.value, generation: held.generation, sent: held.sent, ttl: held.ttl, attention })
    }

    /// The last request that failed since the last that did not.
    pub(crate) fn last_failure(&self) -> Option<&Error> {
        let of_this_fetch = self.fetch.as_ref().and_then(|fetch| fetch.last_failure.as_ref());
        of_this_fetch.or(self.failing.as_ref().map(|failing| &failing.error))
    }

    /// The newest generation there ever was.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn stats(&mut self, now: Moment) -> Stats {
        self.advance(now);
        let at = |boot: Duration| unix((now.wall + boot).saturating_sub(now.boot));
        let mut stats = self.counts.clone();
        stats.fetching = self.fetch.is_some();
        if let Some(held) = self.held.as_ref().filter(|held| !held.withdrawn) {
            stats.generation = held.generation;
            stats.expires_at = unix(held.sent.wall + held.ttl);
            stats.refresh_at = at(held.due);
        }
        stats.last_error.clone_from(&self.store_failure);
        if let Some(failing) = &self.failing {
            stats.last_error = Some(self.error_of(failing, now));
            if now.boot < failing.next_attempt {
                stats.next_attempt_at = at(failing.next_attempt);
            }
        }
        stats
    }

    fn error_of(&self, failing: &Failing, now: Moment) -> Error {
        let mut left = failing.next_attempt.saturating_sub(now.boot);
        if self.is_overdue() {
            left = left.max(policy::OVERDUE_LOOK_AGAIN);
        }
        Error { retry_after: (!left.is_zero()).then_some(left), ..failing.error.clone() }
    }

    /// Does what time alone does: a token past its limit is gone, and a request past its timeout is given up.
    fn advance(&mut self, now: Moment) {
        if let Some(held) = self.held.take_if(|held| past_limit(held.sent, held.ttl, now))
            && !held.rejected
        {
            self.rejected_early = 0;
        }
        // Who is told that a fetch is overdue is told until it ends.
        if !self.is_overdue() {
            self.failing.take_if(|failing| failing.is_mended && now.boot >= failing.next_attempt);
        }
        if self.overdue_at().is_some_and(|overdue| now.boot >= overdue) {
            let message = match &self.fetch {
                Some(Fetch { requests: 0, .. }) if !self.turns_take.is_zero() => {
                    "the store, or another process that shares it, took too long".to_owned()
                }
                _ => {
                    format!("the token request did not end within {:?}; the name lookup may hang", self.request_timeout)
                }
            };
            let only_looks = self.fetch.as_ref().is_some_and(|fetch| fetch.only_looks);
            // A look that hangs is no failure of the endpoint: the backoff that it is in stays as it is.
            if !only_looks || self.failing.is_none() {
                let error = Error::new(Status::Unavailable, message);
                self.back_off(Failure { error, retry_after: None }, now, Chance(u32::MAX));
            } else if let Some(held) = &mut self.held {
                held.withdrawn = false;
            }
            if let Some(fetch) = &mut self.fetch {
                fetch.overdue = true;
            }
        }
    }

    /// When (`boot`) a fetch is wanted if somebody asks, be it only to look into the store: another process may have
    /// what this one is without, and may not ask for.
    fn attention(&self) -> Duration {
        if self.turns_take.is_zero() {
            return self.next_fetch();
        }
        let content_until = self.held.as_ref().filter(|held| !held.rejected).map_or(Duration::ZERO, |held| held.due);
        self.next_fetch().min(self.next_look.max(content_until))
    }

    /// When (`boot`) a request may go out if somebody asks.
    fn next_fetch(&self) -> Duration {
        let due = self.held.as_ref().map_or(Duration::ZERO, |held| held.due);
        let allowed = self.failing.as_ref().map_or(Duration::ZERO, |failing| failing.next_attempt);
        due.max(allowed)
    }

    fn is_improved_by(&self, grant: &Grant, now: Moment) -> bool {
        let end = |sent: Moment, ttl: Duration| sent.boot + ttl;
        let lasts_longer = |held: &Held| {
            held.rejected || end(grant.sent, grant.ttl) > end(held.sent, held.ttl) + policy::found_later(grant.ttl)
        };
        !past_limit(grant.sent, grant.ttl, now) && self.held.as_ref().is_none_or(lasts_longer)
    }

    /// Whether the fetch in flight was only to look into the store. Then it has ended.
    fn end_look(&mut self, now: Moment, chance: Chance) -> bool {
        let looked = self.fetch.take_if(|fetch| fetch.only_looks).is_some();
        if looked {
            self.next_look = now.boot + policy::look_pause(chance);
        }
        looked
    }

    fn is_overdue(&self) -> bool {
        self.fetch.as_ref().is_some_and(|fetch| fetch.overdue)
    }

    fn overdue_after(&self, sent: Duration) -> Duration {
        sent + self.request_timeout + policy::OVERDUE_GRACE
    }

    fn hold(&self, grant: Grant, generation: u64, chance: Chance) -> Held {
        let Grant { value, ttl, sent } = grant;
        let due = sent.boot + policy::limit(ttl) - policy::refresh_ahead(ttl, self.refresh_ahead, chance);
        Held { value, generation, sent, ttl, due, rejected: false, withdrawn: false }
    }

    /// The endpoint granted the very token that is held: no new token, so no new generation.
    fn extend(&mut self, held: Held, grant: Grant, chance: Chance) {
        let mut extended = self.hold(grant, held.generation, chance);
        if held.rejected {
            self.rejected_early += 1;
            self.next_look = extended.sent.boot + policy::look_pause(chance);
            extended.rejected = true;
            extended.due = extended.due_apart(self.rejected_early);
        }
        self.held = Some(extended);
    }

    fn count_failure(&mut self, now: Moment) {
        self.counts.failures += 1;
        self.counts.consecutive_failures += 1;
        self.counts.last_failure_at = unix(now.wall);
    }

    fn pause_before_retry(&self, failure: &Failure, now: Moment, chance: Chance) -> Option<Duration> {
        let fetch = self.fetch.as_ref().filter(|fetch| !fetch.overdue)?;
        if self.failing.is_some() || fetch.requests >= policy::REQUESTS_PER_FETCH {
            return None;
        }
        if failure.error.status != Status::Unavailable || failure.retry_after.is_some() {
            return None;
        }
        let pause = policy::request_pause(fetch.requests, chance);
        (now.boot + pause <= fetch.begun + self.request_timeout).then_some(pause)
    }

    /// Ends the fetch without a token. One that is overdue has been counted already.
    fn end_fetch(&mut self, failure: Failure, now: Moment, chance: Chance) -> Next {
        if self.end_look(now, chance) {
            self.store_failure = Some(failure.error);
            return Next::End;
        }
        match (self.fetch.take(), &mut self.failing) {
            (Some(Fetch { overdue: false, .. }), _) => self.back_off(failure, now, chance),
            (Some(_), Some(failing)) => {
                let asked = failure.retry_after.unwrap_or_default().min(policy::RETRY_AFTER_MAX);
                failing.next_attempt = failing.next_attempt.max(now.boot + asked);
            }
            _ => {}
        }
        Next::End
    }

    fn back_off(&mut self, failure: Failure, now: Moment, chance: Chance) {
        let fetches = self.failing.as_ref().map_or(0, |failing| failing.fetches).saturating_add(1);
        let refused = match failure.error.status {
            Status::Unauthenticated | Status::BadResponse => true,
            Status::RateLimited | Status::Unavailable | Status::Internal => false,
            Status::InvalidArgument | Status::Deadline | Status::Closed => false, // no fetch ends so
        };
        let next_attempt = now.boot + policy::backoff(refused, fetches, failure.retry_after, chance);
        self.next_look = now.boot + policy::look_pause(chance);
        self.failing = Some(Failing { error: failure.error, fetches, next_attempt, is_mended: false });
        if let Some(held) = &mut self.held {
            held.withdrawn = false;
        }
    }
}

impl Held {
    /// When it is due after so many early rejections in a row. Never later than it would be without them, because a
    /// brief token's end would not wait for the spacing, and its callers would have to wait instead.
    fn due_apart(&self, rejected_early: u32) -> Duration {
        self.due.min(self.sent.boot + policy::rejection_spacing(rejected_early))
    }
}

/// Whether a token is not to be handed out any more, by whichever clock says so first.
pub(crate) fn past_limit(sent: Moment, ttl: Duration, now: Moment) -> bool {
    let limit = policy::limit(ttl);
    now.boot >= sent.boot + limit || now.wall >= sent.wall + limit
}

fn unix(wall: Duration) -> i64 {
    i64::try_from(wall.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVEN: Chance = Chance(u32::MAX / 2);

    /// A life, and the clock and the server that the test plays.
    struct World {
        life: Life,
        now: Moment,
    }

    impl World {
        fn new() -> Self {
            let now = Moment { boot: seconds(1_000.0), wall: seconds(1_700_000_000.0) };
            Self { life: Life::new(None, seconds(10.0), Duration::ZERO, 0), now }
        }

        /// One in which others share a store.
        fn sharing() -> Self {
            Self { life: Life::new(None, seconds(10.0), seconds(15.0), 0), ..Self::new() }
        }

        fn pass(&mut self, time: f64) {
            self.now.boot += seconds(time);
            self.now.wall += seconds(time);
        }

        /// Somebody asks; says whether that began a fetch, which has sent no request yet, and may be only to look.
        fn begin(&mut self) -> bool {
            let began = self.life.wants_fetch(self.now);
            if began {
                self.life.begin_fetch(self.now);
            }
            began
        }

        /// The same, and the request goes out at once.
        fn ask(&mut self) -> (Answer, bool) {
            let began = self.begin();
            if began {
                assert!(self.life.send_request(self.now, EVEN));
            }
            (self.life.answer(self.now), began)
        }

        fn grant(&mut self, value: &str, ttl: f64) {
            let grant = Grant { value: Secret::new(value.to_owned()), ttl: seconds(ttl), sent: self.now };
            assert_eq!(self.life.granted(grant, self.now, EVEN), Next::End);
        }

        /// Another process has put a token into the store, so long ago.
        fn find(&mut self, value: &str, ttl: f64, age: f64) -> Found {
            let sent = self.now.before(seconds(age));
            let lying = Grant { value: Secret::new(value.to_owned()), ttl: seconds(ttl), sent };
            self.life.looked(Some(lying), self.now, EVEN)
        }

        fn fail(&mut self, status: Status) -> Next {
            let failure = Failure { error: Error::new(status, "no"), retry_after: None };
            self.life.failed(failure, self.now, EVEN)
        }

        /// The endpoint asks for no request for so long.
        fn fail_for(&mut self, time: f64) -> Next {
            let error = Error::new(Status::Unavailable, "no");
            self.life.failed(Failure { error, retry_after: Some(seconds(time)) }, self.now, EVEN)
        }

        /// All requests of a fetch fail, each at once.
        fn fail_fetch(&mut self) {
            while let Next::RequestAgain(pause) = self.fail(Status::Unavailable) {
                self.pass(pause.as_secs_f64());
                assert!(self.life.send_request(self.now, EVEN));
            }
        }

        fn reject(&mut self, value: &str) -> (Answer, bool) {
            self.life.rejected(value, self.now);
            self.ask()
        }

        fn held(&mut self) -> Option<(String, u64)> {
            self.life.advance(self.now);
            self.life.offer().map(|offer| (offer.value.expose().to_owned(), offer.generation))
        }

        #[track_caller]
        fn check_held(&mut self, value: &str, generation: u64) {
            assert_eq!(self.held(), Some((value.to_owned(), generation)));
        }
    }

    fn seconds(time: f64) -> Duration {
        Duration::from_secs_f64(time)
    }

    const FETCHED: (Answer, bool) = (Answer::Token, true);
    const SERVED: (Answer, bool) = (Answer::Token, false);
    const BEGAN: (Answer, bool) = (Answer::Wait, true);
    const JOINED: (Answer, bool) = (Answer::Wait, false);

    #[test]
    fn the_first_to_ask_begins_the_fetch_that_all_wait_for() {
        let mut world = World::new();
        assert_eq!(world.ask(), BEGAN);
        assert_eq!(world.ask(), JOINED);
        world.grant("a", 600.0);
        assert_eq!(world.ask(), SERVED);
        world.check_held("a", 1);
    }

    #[test]
    fn a_due_token_is_renewed_beside_its_callers() {
        let mut world = World::new();
        world.ask();
        world.grant("a", 600.0);
        world.pass(509.0);
        assert_eq!(world.ask(), SERVED);
        world.pass(2.0);
        assert_eq!(world.ask(), FETCHED);
        assert_eq!(world.ask(), SERVED);
        world.grant("b", 600.0);
        world.check_held("b", 2);
    }

    #[test]
    fn a_live_token_is_served_while_its_renewal_fails_and_never_past_its_limit() {
        let mut world = World::new();
        world.ask();
        world.grant("a", 600.0);
        world.pass(520.0);
        assert_eq!(world.ask(), FETCHED);
        world.fail_fetch();
        assert_eq!(world.ask(), SERVED, "backoff: no request yet");
        world.pass(1.0);
        assert_eq!(world.ask(), FETCHED);
        world.pass(49.0);
        assert_eq!(world.held(), None);
        assert!(matches!(world.ask(), (Answer::Fail(_), false)), "the renewal has outlasted its timeout");
    }

    #[test]
    fn the_earlier_of_two_clocks_ends_a_token() {
        for (wall_jump, lives_for, served) in
            [(1_000.0, 1.0, false), (0.0, 569.0, true), (-1_000.0, 569.0, true), (-1_000.0, 570.0, false)]
        {
            let mut world = World::new();
            world.ask();
            world.grant("a", 600.0);
            world.pass(lives_for);
            world.now.wall = seconds(world.now.wall.as_secs_f64() + wall_jump);
            assert_eq!(world.held().is_some(), served, "wall clock set by {wall_jump} s, {lives_for} s old");
        }
    }

    #[test]
    fn a_token_that_arrives_past_its_limit_is_a_failed_fetch() {
        let mut world = World::new();
        world.ask();
        let sent = world.now;
        world.pass(9.6);
        let grant = Grant { value: Secret::new("late".to_owned()), ttl: seconds(10.0), sent };
        assert_eq!(world.life.granted(grant, world.now, EVEN), Next::End);
        assert!(matches!(world.ask(), (Answer::Fail(error), false) if error.status == Status::Unavailable));
    }

    #[test]
    fn a_fetch_tries_three_times_within_the_request_timeout() {
        let mut world = World::new();
        world.ask();
        world.fail_fetch();
        assert_eq!(world.life.stats(world.now).requests, 3);

        let mut world = World::new();
        world.ask();
        world.pass(9.9);
        assert_eq!(world.fail(Status::Unavailable), Next::End, "a second request would begin after 10 s");

        for status in [Status::RateLimited, Status::Unauthenticated, Status::BadResponse, Status::Internal] {
            let mut world = World::new();
            world.ask();
            assert_eq!(world.fail(status), Next::End, "{status:?}");
        }
    }

    #[test]
    fn a_fetch_after_a_failed_one_is_a_single_request() {
        let mut world = World::new();
        world.ask();
        world.fail_fetch();
        for _ in 0..3 {
            world.pass(60.0);
            assert_eq!(world.ask(), BEGAN);
            assert_eq!(world.fail(Status::Unavailable), Next::End);
        }
        world.pass(60.0);
        world.ask();
        world.grant("a", 60.0);
        world.pass(60.0);
        world.ask();
        assert!(matches!(world.fail(Status::Unavailable), Next::RequestAgain(_)), "all is forgiven");
    }

    #[test]
    fn no_request_goes_out_after_a_pause_that_took_longer_than_the_timeout() {
        for (pause, goes_out) in [(0.2, true), (10.0, true), (10.01, false), (11.0, false)] {
            let mut world = World::new();
            world.ask();
            assert!(matches!(world.fail(Status::Unavailable), Next::RequestAgain(_)));
            world.pass(pause);
            assert_eq!(world.life.send_request(world.now, EVEN), goes_out, "after {pause} s");
            assert_eq!(matches!(world.ask(), (Answer::Fail(_), false)), !goes_out, "after {pause} s");
        }
    }

    #[test]
    fn the_third_request_too_goes_out_within_the_timeout_after_the_first() {
        for (pause, goes_out) in [(4.0, true), (6.0, false)] {
            let mut world = World::new();
            world.ask();
            for goes_out in [true, goes_out] {
                assert!(matches!(world.fail(Status::Unavailable), Next::RequestAgain(_)));
                world.pass(pause);
                assert_eq!(world.life.send_request(world.now, EVEN), goes_out, "after {pause} s each");
            }
        }
    }

    #[test]
    fn a_retry_after_ends_the_fetch_and_is_kept() {
        let mut world = World::new();
        world.ask();
        assert_eq!(world.fail_for(7.0), Next::End);
        world.pass(6.9);
        assert!(matches!(world.ask(), (Answer::Fail(error), false) if error.retry_after == Some(seconds(0.1))));
        world.pass(0.1);
        assert_eq!(world.ask(), BEGAN);
    }

    #[test]
    fn callers_in_a_loop_cannot_hammer_an_endpoint_that_is_down() {
        let mut world = World::new();
        let end = world.now.boot + seconds(60.0);
        while world.now.boot < end {
            if world.ask().1 {
                world.fail_fetch();
            }
            world.pass(0.01);
        }
        let requests = world.life.stats(world.now).requests;
        assert!(requests <= 9, "{requests} requests in a minute");
    }

    #[test]
    fn a_rejected_token_costs_one_fetch_and_an_old_one_none() {
        let mut world = World::new();
        world.ask();
        world.grant("a", 600.0);
        assert_eq!(world.reject("a"), BEGAN);
        assert_eq!(world.reject("a"), JOINED);
        world.grant("b", 600.0);
        assert_eq!(world.reject("a"), SERVED);
        assert_eq!(world.reject(""), SERVED);
        world.check_held("b", 2);
        let stats = world.life.stats(world.now);
        assert_eq!((stats.rejections, stats.ignored_rejections), (2, 2));
    }

    #[test]
    fn a_route_that_rejects_every_token_takes_nothing_from_the_others() {
        let mut world = World::new();
        let (mut requests, mut waits) = (0, 0);
        for step in 0..360_000 {
            let (answer, began) = world.ask();
            let (_, began_by_rejection) = match world.held() {
                Some((value, _)) => world.reject(&value),
                None => (Answer::Wait, false),
            };
            waits += u32::from(answer != Answer::Token);
            if began || began_by_rejection {
                requests += 1;
                world.grant(&step.to_string(), 60_000.0);
            }
            world.pass(0.01);
        }
        assert!(requests <= 130, "{requests} requests in an hour");
        assert!(waits <= 2, "{waits} calls found no token");
    }

    #[test]
    fn a_brief_token_that_is_always_rejected_is_replaced_before_its_end() {
        let mut world = World::new();
        for step in 0..3_600 {
            let (answer, began) = world.ask();
            if began {
                world.grant(&step.to_string(), 10.0);
            }
            assert!(answer == Answer::Token || step < 2, "a caller waits at {step} s");
            if let Some((value, _)) = world.held() {
                let (_, began) = world.reject(&value);
                if began {
                    world.grant(&format!("again{step}"), 10.0);
                }
            }
            world.pass(1.0);
        }
    }

    #[test]
    fn the_moment_that_ends_backoff_is_free_of_it() {
        let mut world = World::new();
        world.ask();
        world.grant("a", 600.0);
        world.pass(520.0);
        assert_eq!(world.ask(), FETCHED);
        world.fail_for(7.0);
        world.pass(7.0);
        assert_eq!(world.life.stats(world.now).next_attempt_at, 0);
        assert_eq!(world.reject("a"), BEGAN, "withdrawn, because its replacement may be fetched now");
    }

    #[test]
    fn the_very_token_just_rejected_is_handed_out_again_as_the_same() {
        let mut world = World::new();
        world.ask();
        world.grant("a", 600.0);
        assert_eq!(world.reject("a"), BEGAN);
        world.grant("a", 600.0);
        assert_eq!(world.ask(), SERVED);
        world.check_held("a", 1);
        world.pass(2.0);
        assert_eq!(world.ask(), FETCHED, "its replacement is still wanted");
    }

    #[test]
    fn a_rejected_token_is_handed_out_while_backoff_forbids_its_replacement() {
        let mut world = World::new();
        world.ask();
        world.grant("a", 600.0);
        assert_eq!(world.reject("a"), BEGAN);
        world.fail_fetch();
        assert_eq!(world.ask(), SERVED);
        world.check_held("a", 1);
    }

    #[test]
    fn a_token_that_lived_on_unrejected_ends_the_series() {
        let mut world = World::new();
        world.ask();
        world.grant("a", 600.0);
        assert_eq!(world.reject("a"), BEGAN);
        world.grant("b", 600.0);
        world.pass(61.0);
        assert_eq!(world.reject("b"), BEGAN, "withdrawn, as a first rejection is");
    }

    #[test]
    fn a_request_that_outlasts_its_timeout_is_given_up_but_stays_the_only_one() {
        let mut world = World::new();
        world.ask();
        world.pass(10.6);
        assert!(matches!(world.ask(), (Answer::Fail(error), false) if error.status == Status::Unavailable));
        world.pass(100.0);
        let (Answer::Fail(error), false) = world.ask() else { panic!("the thread is still the one in flight") };
        assert_eq!(error.retry_after, Some(policy::OVERDUE_LOOK_AGAIN), "not at once, and not never");
        world.grant("a", 600.0);
        assert_eq!(world.ask(), SERVED);
    }

    #[test]
    fn a_thread_that_sends_nothing_is_given_up_as_if_it_had() {
        let mut world = World::new();
        assert!(world.begin());
        world.pass(10.6);
        let (Answer::Fail(error), false) = world.ask() else { panic!("nobody waits for ever") };
        assert!(!error.message.contains("store"), "there is none: {error}");
    }

    #[test]
    fn a_token_that_another_process_fetched_ends_the_fetch_without_a_request() {
        let mut world = World::new();
        assert!(world.begin());
        assert_eq!(world.find("a", 600.0, 100.0), Found::Ended);
        assert_eq!(world.ask(), SERVED);
        world.check_held("a", 1);
        let stats = world.life.stats(world.now);
        assert_eq!((stats.requests, stats.successes, stats.fetching), (0, 0, false));
        world.pass(411.0);
        assert_eq!(world.ask(), FETCHED, "it is due when it is due where it was fetched");
        world.pass(59.0);
        assert_eq!(world.held(), None, "and it ends there, too");
    }

    #[test]
    fn a_found_token_is_taken_over_only_if_it_lasts_longer() {
        for (ttl, age, found) in [
            (600.0, 520.0, Found::Useless),
            (600.0, 519.0, Found::Useless),
            (600.0, 518.9, Found::Ended),
            (600.0, 0.0, Found::Ended),
            (600.0, 599.0, Found::Useless),
            (100.0, 0.0, Found::Ended),
            (80.0, 0.0, Found::Useless),
        ] {
            for value in ["a", "b"] {
                let mut world = World::new();
                world.ask();
                world.grant("a", 600.0);
                world.pass(520.0);
                assert_eq!(world.ask(), FETCHED);
                assert_eq!(world.find(value, ttl, age), found, "{value}, {age} of {ttl} s old");
                let renewed = value == "b" && found == Found::Ended;
                world.check_held(if renewed { "b" } else { "a" }, if renewed { 2 } else { 1 });
            }
        }
        assert_eq!(World::new().find("a", 600.0, 570.0), Found::Useless, "it is past its limit");
    }

    #[test]
    fn a_rejected_token_is_not_taken_back_however_it_comes() {
        let mut world = World::new();
        world.ask();
        world.grant("a", 600.0);
        assert_eq!(world.reject("a"), BEGAN);
        assert_eq!(world.find("a", 600.0, 0.0), Found::Rejected);
        assert_eq!(world.find("b", 600.0, 300.0), Found::Ended, "although it ends before the rejected one would");
        world.check_held("b", 2);
        world.pass(100.0);
        assert_eq!(world.find("a", 600.0, 0.0), Found::Rejected);
        for step in 0..REJECTED_REMEMBERED {
            world.pass(61.0);
            let (value, _) = world.held().expect("there is a token");
            assert_eq!(world.reject(&value), BEGAN);
            world.grant(&step.to_string(), 600.0);
        }
        assert_eq!(world.find("b", 6_000.0, 0.0), Found::Rejected);
        assert_eq!(world.find("a", 6_000.0, 0.0), Found::Ended, "long forgotten");
    }

    /// A life with a store, and a fetch that has failed, so that no request goes out for a minute.
    fn in_backoff(token: Option<&str>) -> World {
        let mut world = World::sharing();
        world.ask();
        if let Some(token) = token {
            world.grant(token, 600.0);
            assert_eq!(world.reject(token), BEGAN);
        }
        world.fail_for(60.0);
        world
    }

    #[test]
    fn who_may_not_fetch_looks_for_the_token_of_another_process() {
        let mut world = in_backoff(None);
        world.pass(4.9);
        assert!(!world.begin());
        world.pass(0.1);
        assert!(world.begin());
        assert!(matches!(world.ask(), (Answer::Fail(error), false) if error.retry_after == Some(seconds(55.0))));
        assert_eq!(world.life.looked(None, world.now, EVEN), Found::Ended, "no request follows");
        assert!(!world.begin());
        world.pass(5.0);
        assert!(world.begin());
        assert_eq!(world.find("a", 600.0, 1.0), Found::Ended);
        assert_eq!(world.ask(), SERVED);
        world.check_held("a", 1);
        assert_eq!(world.life.stats(world.now).requests, 1);
    }

    #[test]
    fn a_look_sends_no_request_whatever_becomes_of_it_and_costs_no_time() {
        for end in 0..3 {
            let mut world = in_backoff(None);
            world.pass(5.0);
            assert!(world.begin());
            let failure = || Failure { error: Error::new(Status::Internal, "no"), retry_after: None };
            match end {
                0 => assert!(!world.life.send_request(world.now, EVEN), "the store failed"),
                1 => world.life.cannot_fetch(failure(), world.now, EVEN),
                _ => assert_eq!(world.life.failed(failure(), world.now, EVEN), Next::End, "it panicked"),
            }
            assert!(matches!(world.ask(), (Answer::Fail(error), false) if error.status == Status::Unavailable));
            world.pass(55.0);
            assert_eq!(world.ask(), BEGAN, "the backoff is over when it was to be over");
        }
    }

    #[test]
    fn a_token_found_in_a_backoff_does_not_end_it() {
        let mut world = in_backoff(None);
        world.pass(5.0);
        assert!(world.begin());
        assert_eq!(world.find("a", 600.0, 520.0), Found::Ended);
        assert_eq!(world.ask(), SERVED, "it is due, but may not be renewed yet");
        world.pass(5.0);
        assert!(world.begin(), "but another process may have renewed it");
        assert_eq!(world.find("a", 600.0, 520.0), Found::Ended);
        assert!(world.life.rejected("a", world.now));
        assert!(world.held().is_some(), "nor replaced, and so is not withdrawn");
        world.pass(49.0);
        world.begin();
        assert!(!world.life.send_request(world.now, EVEN));
        assert!(world.life.stats(world.now).last_error.is_some());
        world.pass(1.0);
        assert_eq!(world.ask(), BEGAN);
        assert_eq!(world.life.stats(world.now).last_error, None, "that is past");
        assert!(matches!(world.fail(Status::Unavailable), Next::RequestAgain(_)), "nor is it the second in a row");
    }

    #[test]
    fn a_look_that_hangs_changes_nothing_of_the_backoff() {
        let mut world = in_backoff(None);
        world.pass(5.0);
        assert!(world.begin());
        world.pass(50.0);
        assert!(matches!(world.ask(), (Answer::Fail(error), false) if error.retry_after == Some(seconds(5.0))));
        world.pass(10.0);
        assert!(matches!(world.ask(), (Answer::Fail(_), false)), "nobody waits for what hangs");
        assert_eq!(world.life.looked(None, world.now, EVEN), Found::Ended);
        assert_eq!(world.ask(), BEGAN);
    }

    #[test]
    fn a_look_that_hangs_after_one_that_found_a_token_is_waited_for_no_longer() {
        let mut world = in_backoff(None);
        assert!(!world.begin());
        world.pass(5.0);
        assert!(world.begin());
        assert_eq!(world.find("a", 100.0, 80.0), Found::Ended);
        world.pass(16.0);
        assert!(world.begin());
        world.pass(30.0);
        assert!(matches!(world.ask(), (Answer::Fail(_), false)));
        world.pass(10.0);
        assert!(matches!(world.ask(), (Answer::Fail(_), false)), "although its backoff is over");
    }

    #[test]
    fn a_look_that_hangs_keeps_no_rejected_token_from_callers() {
        let mut world = World::sharing();
        world.ask();
        world.grant("a", 6_000.0);
        world.pass(5_400.0);
        assert_eq!(world.ask(), FETCHED);
        world.fail_for(60.0);
        world.pass(59.0);
        assert!(world.begin());
        world.pass(2.0);
        assert_eq!(world.reject("a"), JOINED, "a replacement may follow at once");
        world.pass(23.0);
        assert_eq!(world.ask(), JOINED);
        world.pass(1.0);
        assert_eq!(world.ask(), SERVED);
    }

    #[test]
    fn who_was_granted_the_rejected_token_again_does_not_look_for_it_at_once() {
        let mut world = World::sharing();
        world.ask();
        world.grant("a", 600.0);
        assert_eq!(world.reject("a"), BEGAN);
        world.grant("a", 600.0);
        assert!(!world.begin());
    }

    #[test]
    fn who_has_a_token_or_has_failed_before_gives_up_when_the_turns_of_others_bring_none() {
        let give_up = |world: &mut World| {
            let failure = Failure { error: Error::new(Status::Unavailable, "no"), retry_after: None };
            world.life.gives_up(failure, world.now, EVEN)
        };
        let mut world = World::new();
        world.ask();
        assert!(!give_up(&mut world), "the endpoint may answer this one");
        world.grant("a", 600.0);
        world.pass(520.0);
        assert_eq!(world.ask(), FETCHED);
        assert!(give_up(&mut world));
        assert_eq!(world.ask(), SERVED);
        world.pass(60.0);
        assert_eq!(world.ask(), BEGAN);
        assert!(give_up(&mut world));
        assert!(matches!(world.ask(), (Answer::Fail(_), false)));
    }

    #[test]
    fn callers_wait_for_a_look_that_outlasts_the_backoff() {
        let mut world = in_backoff(None);
        world.pass(59.0);
        assert!(world.begin());
        world.pass(1.0);
        assert_eq!(world.ask(), JOINED);
        assert_eq!(world.life.looked(None, world.now, EVEN), Found::Ended);
        assert_eq!(world.ask(), BEGAN);
    }

    #[test]
    fn a_rejected_token_that_may_not_be_replaced_yet_has_the_store_looked_into_beside_its_callers() {
        let mut world = in_backoff(Some("a"));
        assert_eq!(world.held().as_ref().map(|(value, _)| value.as_str()), Some("a"));
        world.pass(5.0);
        assert!(world.begin());
        assert_eq!(world.ask(), SERVED);
        assert_eq!(world.find("b", 600.0, 0.0), Found::Ended);
        world.check_held("b", 2);
        assert!(!world.begin(), "who has a good token does not look");
        assert!(world.life.rejected("b", world.now));
        assert!(world.begin(), "at once, although the next request is to be a second apart");
        assert!(!world.life.send_request(world.now, EVEN));
        world.check_held("b", 2);
    }

    #[test]
    fn a_fetch_that_waits_for_its_turn_is_not_overdue_before_a_turn_may_have_passed() {
        let mut world = World::sharing();
        assert!(world.begin());
        world.pass(25.4);
        assert_eq!(world.ask(), JOINED);
        assert!(world.life.send_request(world.now, EVEN));
        world.pass(10.4);
        assert_eq!(world.ask(), JOINED);
        assert!(matches!(world.fail(Status::Unavailable), Next::End), "a request takes its own time");

        world.pass(60.0);
        assert!(world.begin());
        world.pass(25.6);
        let (Answer::Fail(error), false) = world.ask() else { panic!("nobody waits for ever") };
        assert!(error.message.contains("store"), "{error}");
        assert!(world.life.send_request(world.now, EVEN));
        assert_eq!(world.ask(), JOINED, "its turn has come after all");
    }

    #[test]
    fn a_store_may_take_its_time_after_an_answer_that_did() {
        let mut world = World::sharing();
        assert_eq!(world.ask(), BEGAN);
        world.pass(10.4);
        world.life.answered(world.now);
        world.pass(2.4);
        assert_eq!(world.ask(), JOINED);
        world.pass(0.2);
        assert!(matches!(world.ask(), (Answer::Fail(_), false)), "but not for ever");
    }

    #[test]
    fn a_fetch_waits_for_its_turn_again_before_its_second_request() {
        let mut world = World::sharing();
        assert_eq!(world.ask(), BEGAN);
        assert!(matches!(world.fail(Status::Unavailable), Next::RequestAgain(_)));
        world.pass(25.4);
        assert_eq!(world.ask(), JOINED);
        world.pass(0.2);
        assert!(matches!(world.ask(), (Answer::Fail(_), false)));
    }

    #[test]
    fn what_became_of_the_store_is_told_until_the_next_fetch() {
        let mut world = World::new();
        world.ask();
        world.life.store_failed(Error::new(Status::Unavailable, "the disk is full"));
        world.grant("a", 600.0);
        assert_eq!(world.ask(), SERVED);
        let told = |world: &mut World| world.life.stats(world.now).last_error.map(|error| error.message);
        assert_eq!(told(&mut world).as_deref(), Some("the disk is full"));
        world.pass(520.0);
        assert_eq!(world.ask(), FETCHED);
        world.grant("b", 600.0);
        assert_eq!(told(&mut world), None);
    }
}
