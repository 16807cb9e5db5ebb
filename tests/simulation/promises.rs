//! What must hold after each step. It keeps its own account of the life, from the design and not from the code: where
//! chance decides, the account is a window, and the life must stay inside.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::SECOND;
use crate::coverage::{Coverage, Fetching, Mark, State, Token as TokenState};
use crate::error::Status;
use crate::life::{Moment, Offer, Stats};
use crate::numbers::{self, Window};
use crate::server::HANGS_MAX;
use crate::step::Step;

#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) request_timeout: Duration,
    pub(crate) refresh_ahead: Option<Duration>,
}

pub(crate) struct Promises {
    settings: Settings,
    token: Option<Token>,
    generation: u64,
    /// Tokens in a row that were rejected early.
    series: u32,
    fetch: Option<Fetch>,
    failing: Option<Failing>,
    in_flight: bool,
    /// Of the last minute: when requests were sent, and when tokens were granted.
    requests: VecDeque<Duration>,
    grants: VecDeque<Duration>,
    counts: Stats,
    pub(crate) coverage: Coverage,
}

#[derive(Clone, Copy)]
struct Token {
    number: u64,
    generation: u64,
    sent: Moment,
    ttl: Duration,
    due: Window,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Good,
    /// Rejected, and not handed out until it is replaced.
    Withdrawn,
    /// Rejected, and yet the best there is.
    Kept,
}

struct Fetch {
    /// Of its first request, once that is sent.
    begun: Duration,
    requests: u32,
    request_sent: Duration,
    request_failed: Duration,
    /// How the request before this one failed.
    failed_with: Option<Status>,
    overdue: bool,
}

struct Failing {
    status: Status,
    fetches: u32,
    next_attempt: Window,
}

impl Promises {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            token: None,
            generation: 0,
            series: 0,
            fetch: None,
            failing: None,
            in_flight: false,
            requests: VecDeque::new(),
            grants: VecDeque::new(),
            counts: Stats::default(),
            coverage: Coverage::default(),
        }
    }

    /// Panics if the step breaks a promise.
    pub(crate) fn see(&mut self, step: &Step, now: Moment) {
        if advances(step) {
            self.pass(now);
        }
        self.coverage.reach(self.state(), Mark::of(step));
        match *step {
            Step::LookedIn { has_token } => assert_eq!(has_token, self.may_hand_out(), "whether there is a token"),
            Step::Asked { wants_fetch } => self.asked(wants_fetch, now),
            Step::Began => self.began(now),
            Step::CannotBegin => self.end_fetch(Status::Internal, None, now),
            Step::Sent { at } => self.sent(at),
            Step::TooLate { at } => self.too_late(at),
            Step::Granted { number, ttl, sent } => self.granted(number, ttl, sent, now),
            Step::Failed { status, retry_after, again } => self.failed(status, retry_after, again, now),
            Step::Rejected { number, is_current, withdrawn } => self.rejected(number, is_current, withdrawn, now),
            Step::Looked(ref stats) => self.looked(stats, now),
            Step::Read { number, generation, looks_in, .. } => {
                self.handed_out(number, generation, now);
                let may_wait = self.fetch.is_some() || now.boot < self.next_fetch().most;
                assert!(looks_in || may_wait, "a fetch may go out, and whoever reads the token does not look in");
            }
            Step::HandedOut { number, generation, .. } => self.handed_out(number, generation, now),
            Step::Told { status, retry_after, .. } => self.told(status, retry_after, now),
            Step::Waits { .. } => self.waits(),
            Step::GaveUp { last_failure, .. } => {
                self.waits();
                assert_eq!(last_failure, self.last_failure(), "the last failure");
            }
            Step::Freed => self.freed(),
            Step::Forked => self.forked(),
            Step::Slept(_) | Step::WallSetForward(_) | Step::WallSetBack(_) => {}
            Step::Mood(_) | Step::Revoked | Step::Called { .. } | Step::Closed { .. } => {}
        }
    }

    /// What callers may have without asking is the current token, if it may be handed out.
    pub(crate) fn published(&self, offer: Option<&Offer<'_>>, generation: u64) {
        assert_eq!(generation, self.generation, "generations grow by one per new token and never otherwise");
        let may_have = self.token.filter(|token| token.standing != Standing::Withdrawn);
        assert_eq!(offer.is_some(), may_have.is_some(), "published is the token that may be handed out");
        let (Some(offer), Some(token)) = (offer, may_have) else { return };
        assert_eq!(offer.value.expose(), value(token.number), "published is the newest token");
        let published = (offer.generation, offer.sent, offer.ttl);
        assert_eq!(published, (token.generation, token.sent, token.ttl), "published as it was granted");
        match (offer.attention, &self.fetch) {
            (None, Some(_)) => {}
            (Some(at), None) => {
                assert!(self.next_fetch().holds(at), "attention at {at:?}, not {:?}", self.next_fetch())
            }
            _ => panic!("somebody must look in, unless a fetch is in flight: {:?}", offer.attention),
        }
    }

    pub(crate) fn may_hand_out(&self) -> bool {
        self.token.is_some_and(|token| token.standing != Standing::Withdrawn)
    }

    /// From when on the newest token may be renewed.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.token.map(|token| token.due.least)
    }

    /// When whoever asks as soon as it may has a token, if all goes well from now on.
    pub(crate) fn recovered_by(&self, now: Moment) -> Duration {
        let margin = self.settings.request_timeout + 10 * SECOND;
        let hanging = if self.fetch.is_some() { HANGS_MAX + numbers::RETRY_AFTER_MAX } else { Duration::ZERO };
        self.next_fetch().most.max(now.boot + hanging) + margin
    }

    fn state(&self) -> State {
        let token = match self.token.map(|token| token.standing) {
            None => TokenState::None,
            Some(Standing::Good) => TokenState::Good,
            Some(Standing::Withdrawn) => TokenState::Withdrawn,
            Some(Standing::Kept) => TokenState::Kept,
        };
        let fetching = match (&self.fetch, &self.failing) {
            (Some(Fetch { overdue: true, .. }), _) => Fetching::Overdue,
            (Some(_), _) => Fetching::InFlight,
            (None, Some(_)) => Fetching::Failing,
            (None, None) => Fetching::Idle,
        };
        State { token, fetching }
    }

    fn next_fetch(&self) -> Window {
        let due = self.token.map_or(Window::OPEN, |token| token.due);
        due.and(self.failing.as_ref().map_or(Window::OPEN, |failing| failing.next_attempt))
    }

    /// What time alone does, whenever the life is told what time it is.
    fn pass(&mut self, now: Moment) {
        if let Some(token) = self.token.filter(|token| numbers::past_limit(token.sent, token.ttl, now)) {
            self.coverage.reach(self.state(), Mark::Expired);
            if token.standing == Standing::Good {
                self.series = 0;
            }
            self.token = None;
        }
        let timeout = self.settings.request_timeout;
        let is_overdue = |fetch: &Fetch| !fetch.overdue && now.boot >= numbers::overdue(fetch.request_sent, timeout);
        if self.fetch.as_ref().is_some_and(is_overdue) {
            self.coverage.reach(self.state(), Mark::Overdue);
            self.back_off(Status::Unavailable, None, now);
            self.fetch.as_mut().expect("it is overdue").overdue = true;
        }
    }

    fn asked(&self, wants_fetch: bool, now: Moment) {
        let window = self.next_fetch();
        if self.fetch.is_some() || now.boot < window.least {
            assert!(!wants_fetch, "a fetch before {window:?}");
        } else if now.boot >= window.most {
            assert!(wants_fetch, "no fetch after {window:?}");
        }
    }

    fn began(&mut self, now: Moment) {
        assert!(self.fetch.is_none(), "two fetches in flight");
        let now = now.boot;
        self.fetch = Some(Fetch {
            begun: now,
            requests: 0,
            request_sent: now,
            request_failed: now,
            failed_with: None,
            overdue: false,
        });
    }

    fn sent(&mut self, at: Moment) {
        assert!(!self.in_flight, "two requests in flight");
        // The life was told the time when the request was to be sent, which is not now.
        self.pass(at);
        let fetch = self.fetch.as_mut().expect("a request belongs to a fetch");
        if fetch.requests == 0 {
            fetch.begun = at.boot;
        } else {
            assert!(at.boot <= fetch.begun + self.settings.request_timeout, "a request at {:?}, too late", at.boot);
            let earliest = fetch.request_failed + numbers::pause(fetch.requests).least;
            assert!(at.boot >= earliest, "a request at {:?}, before {earliest:?}", at.boot);
        }
        fetch.requests += 1;
        assert!(fetch.requests <= numbers::REQUESTS_PER_FETCH, "request {} of a fetch", fetch.requests);
        // Where it should have gone out long before, callers wait from now on.
        (fetch.request_sent, fetch.overdue) = (at.boot, false);
        self.in_flight = true;
        self.counts.requests += 1;
        self.requests.push_back(at.boot);
        for times in [&mut self.requests, &mut self.grants] {
            while times.front().is_some_and(|time| *time + 60 * SECOND <= at.boot) {
                times.pop_front();
            }
        }
        let bound = numbers::REQUESTS_PER_MINUTE * (1 + self.grants.len());
        assert!(self.requests.len() <= bound, "{} requests in a minute", self.requests.len());
    }

    fn too_late(&mut self, at: Moment) {
        self.pass(at);
        let fetch = self.fetch.as_ref().expect("a request belongs to a fetch");
        let end = fetch.begun + self.settings.request_timeout;
        assert!(fetch.requests > 0 && at.boot > end, "a request does not go out at {:?}", at.boot);
        let status = fetch.failed_with.expect("a request follows one that failed");
        self.end_fetch(status, None, at);
    }

    fn granted(&mut self, number: u64, ttl: Duration, sent: Moment, now: Moment) {
        assert!(std::mem::take(&mut self.in_flight), "an answer belongs to a request");
        if numbers::past_limit(sent, ttl, now) {
            self.coverage.reach(self.state(), Mark::GrantedPastLimit);
            self.count_failure(now);
            self.end_fetch(Status::Unavailable, None, now);
            return;
        }
        let state = self.state();
        self.counts.successes += 1;
        self.counts.consecutive_failures = 0;
        self.counts.last_success_at = now.wall.as_secs() as i64;
        self.grants.push_back(now.boot);
        self.fetch = None;
        self.failing = None;
        let due = numbers::due(sent, ttl, self.settings.refresh_ahead);
        let mut token = Token { number, generation: self.generation, sent, ttl, due, standing: Standing::Good };
        match self.token.filter(|before| before.number == number) {
            Some(before) if before.standing == Standing::Good => {
                self.coverage.reach(state, Mark::GrantedSame);
            }
            Some(_) => {
                self.coverage.reach(state, Mark::GrantedSame);
                self.series += 1;
                token.standing = Standing::Kept;
                token.due = due.sooner(Window::at(sent.boot + numbers::rejection_spacing(self.series)));
            }
            None => {
                if self.token.is_some_and(|before| before.standing == Standing::Good) {
                    self.series = 0;
                }
                self.generation += 1;
                token.generation = self.generation;
            }
        }
        self.token = Some(token);
    }

    fn failed(&mut self, status: Status, retry_after: Option<Duration>, again: Option<Duration>, now: Moment) {
        assert!(std::mem::take(&mut self.in_flight), "an answer belongs to a request");
        self.count_failure(now);
        let fetch = self.fetch.as_mut().expect("a request belongs to a fetch");
        fetch.request_failed = now.boot;
        fetch.failed_with = Some(status);
        let retryable = status == Status::Unavailable && retry_after.is_none();
        let requests = if self.failing.is_none() { numbers::REQUESTS_PER_FETCH } else { 1 };
        let may = retryable && !fetch.overdue && fetch.requests < requests;
        let pause = numbers::pause(fetch.requests.min(numbers::REQUESTS_PER_FETCH));
        let end = fetch.begun + self.settings.request_timeout;
        match again {
            Some(after) => {
                assert!(may, "{status:?} is tried again after request {}", fetch.requests);
                assert!(pause.holds(after), "a pause of {after:?}, not {pause:?}");
                assert!(now.boot + after <= end, "a request begins {:?} after {end:?}", now.boot + after);
            }
            None => {
                assert!(!may || now.boot + pause.most > end, "{status:?} is not tried again");
                self.end_fetch(status, retry_after, now);
            }
        }
    }

    fn rejected(&mut self, number: u64, is_current: bool, withdrawn: bool, now: Moment) {
        let overdue = self.fetch.as_ref().is_some_and(|fetch| fetch.overdue);
        let Some(token) = self.token.as_mut().filter(|token| token.number == number) else {
            assert!(!is_current, "a token that was replaced is not the current one");
            self.counts.ignored_rejections += 1;
            return;
        };
        assert!(is_current, "the current token was rejected");
        self.counts.rejections += 1;
        if token.standing != Standing::Good {
            return;
        }
        let early = numbers::rejected_early(now.boot.saturating_sub(token.sent.boot), token.ttl);
        if !early {
            self.series = 0;
        }
        let may_fetch_at = self.failing.as_ref().map_or(Window::OPEN, |failing| failing.next_attempt);
        if self.series > 0 || overdue || now.boot < may_fetch_at.least {
            assert!(!withdrawn, "the newest token is handed out though rejected, while no fetch may replace it");
        } else if now.boot >= may_fetch_at.most {
            assert!(withdrawn, "a rejection withdraws the token");
        }
        token.standing = if withdrawn { Standing::Withdrawn } else { Standing::Kept };
        token.due = match self.series {
            0 => Window::at(now.boot),
            tokens => token.due.sooner(Window::at(token.sent.boot + numbers::rejection_spacing(tokens))),
        };
        self.series += u32::from(early);
    }

    fn handed_out(&self, number: u64, generation: u64, now: Moment) {
        let token = self.token.expect("a token is handed out only if there is one");
        assert!(!numbers::past_limit(token.sent, token.ttl, now), "a token is handed out past its limit");
        assert_ne!(token.standing, Standing::Withdrawn, "a withdrawn token is handed out");
        assert_eq!((number, generation), (token.number, token.generation), "not the newest token is handed out");
    }

    fn told(&self, status: Status, retry_after: Option<Duration>, now: Moment) {
        assert!(!self.may_hand_out(), "a caller is told of a failure in spite of a token");
        let failing = self.failing.as_ref().expect("a caller is told of a failure without one");
        assert_eq!(status, failing.status, "a caller is told of another failure than the last");
        let mut next_attempt = failing.next_attempt;
        if self.fetch.as_ref().is_some_and(|fetch| fetch.overdue) {
            next_attempt = next_attempt.and(Window::at(now.boot + numbers::OVERDUE_LOOK_AGAIN));
        }
        let told = now.boot + retry_after.expect("a caller is told of a failure though a fetch may go out");
        assert!(next_attempt.holds(told), "the next fetch is {told:?}, not {next_attempt:?}");
    }

    fn waits(&self) {
        assert!(!self.may_hand_out(), "a caller waits in spite of a token");
        assert!(self.fetch.as_ref().is_some_and(|fetch| !fetch.overdue), "a caller waits for nothing");
    }

    fn last_failure(&self) -> Option<Status> {
        let of_this_fetch = self.fetch.as_ref().and_then(|fetch| fetch.failed_with);
        of_this_fetch.or(self.failing.as_ref().map(|failing| failing.status))
    }

    fn looked(&self, stats: &Stats, now: Moment) {
        let counted = |of: &Stats| (of.requests, of.successes, of.failures, of.consecutive_failures);
        assert_eq!(counted(stats), counted(&self.counts), "requests, successes, failures, failures in a row");
        let answered = stats.successes + stats.failures + u64::from(self.in_flight);
        assert_eq!(stats.requests, answered, "each request is answered once");
        assert_eq!(stats.rejections, self.counts.rejections);
        assert_eq!(stats.ignored_rejections, self.counts.ignored_rejections);
        assert_eq!(stats.last_success_at, self.counts.last_success_at);
        assert_eq!(stats.last_failure_at, self.counts.last_failure_at);
        assert_eq!(stats.fetching, self.fetch.is_some());
        let wall = |boot: Duration| (now.wall + boot).saturating_sub(now.boot).as_secs() as i64;
        let holds = |window: Window, at: i64| (wall(window.least)..=wall(window.most)).contains(&at);
        let token = self.token.filter(|_| self.may_hand_out());
        assert_eq!(stats.generation, token.map_or(0, |token| token.generation));
        assert_eq!(stats.expires_at, token.map_or(0, |token| (token.sent.wall + token.ttl).as_secs() as i64));
        assert!(token.map_or(stats.refresh_at == 0, |token| holds(token.due, stats.refresh_at)));
        let failing = self.failing.as_ref();
        let told = stats.last_error.as_ref().map(|error| error.status);
        assert_eq!(told, failing.map(|failing| failing.status), "the last error is that of the last failed fetch");
        let next_attempt = failing.map_or(Window::OPEN, |failing| failing.next_attempt);
        if stats.next_attempt_at == 0 {
            assert!(now.boot >= next_attempt.least, "no request may go out yet");
        } else {
            assert!(holds(next_attempt, stats.next_attempt_at) && now.boot < next_attempt.most);
        }
    }

    /// A new life: nothing of the old one but its count of generations.
    fn freed(&mut self) {
        let coverage = std::mem::take(&mut self.coverage);
        *self = Self { generation: self.generation, coverage, ..Self::new(self.settings) };
    }

    /// A child has its parent's token if it may be handed out, and no more of its story.
    fn forked(&mut self) {
        let inherited = self.token.filter(|_| self.may_hand_out());
        self.freed();
        self.token = inherited.map(|token| Token {
            standing: Standing::Good,
            due: numbers::due(token.sent, token.ttl, self.settings.refresh_ahead),
            generation: self.generation,
            ..token
        });
    }

    fn count_failure(&mut self, now: Moment) {
        self.counts.failures += 1;
        self.counts.consecutive_failures += 1;
        self.counts.last_failure_at = now.wall.as_secs() as i64;
    }

    /// A fetch that was overdue has been answered for already.
    fn end_fetch(&mut self, status: Status, retry_after: Option<Duration>, now: Moment) {
        let fetch = self.fetch.take().expect("only a fetch in flight ends");
        if !fetch.overdue {
            self.back_off(status, retry_after, now);
        } else if let Some(failing) = &mut self.failing {
            let asked = retry_after.unwrap_or_default().min(numbers::RETRY_AFTER_MAX);
            failing.next_attempt = failing.next_attempt.and(Window::at(now.boot + asked));
        }
    }

    fn back_off(&mut self, status: Status, retry_after: Option<Duration>, now: Moment) {
        let fetches = self.failing.as_ref().map_or(0, |failing| failing.fetches) + 1;
        let Window { least, most } = numbers::backoff(status, fetches, retry_after);
        let next_attempt = Window { least: now.boot + least, most: now.boot + most };
        self.failing = Some(Failing { status, fetches, next_attempt });
        if let Some(token) = self.token.as_mut().filter(|token| token.standing == Standing::Withdrawn) {
            token.standing = Standing::Kept;
        }
    }
}

/// How a token of this number reads.
pub(crate) fn value(number: u64) -> String {
    format!("token-{number}")
}

/// Whether the life was told the time. Whoever reads what was published does not ask it.
fn advances(step: &Step) -> bool {
    match step {
        Step::Asked { .. } | Step::Granted { .. } | Step::Failed { .. } | Step::Rejected { .. } => true,
        Step::Looked(_) | Step::LookedIn { .. } | Step::HandedOut { .. } | Step::Told { .. } => true,
        Step::Waits { .. } | Step::GaveUp { .. } => true,
        Step::Slept(_) | Step::WallSetForward(_) | Step::WallSetBack(_) => false,
        Step::Mood(_) | Step::Revoked | Step::Freed | Step::Forked => false,
        Step::Began | Step::CannotBegin | Step::Sent { .. } | Step::TooLate { .. } => false,
        Step::Called { .. } | Step::Read { .. } | Step::Closed { .. } => false,
    }
}
