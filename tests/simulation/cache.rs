//! Drives a life step by step as `src/cache.rs` does: where that lets go of its lock, another event may come first.

use std::time::Duration;

use crate::error::{Error, Status};
use crate::life::{Answer, Failure, Grant, Life, Moment, Next, Stats, past_limit};
use crate::promises::{Settings, value};
use crate::secret::Secret;
use crate::server::Outcome;
use crate::step::Step;
use crate::world::{Event, Fault, World};

pub(crate) struct Cache {
    life: Life,
    closed: bool,
    waiting: Vec<usize>,
    published: Option<Published>,
}

/// What readers see without the lock.
#[derive(Clone, Copy)]
struct Published {
    number: u64,
    generation: u64,
    sent: Moment,
    ttl: Duration,
    attention: Option<Duration>,
    /// Between the clocks: when it has changed, only the life can tell.
    offset: i128,
}

impl Cache {
    pub(crate) fn new(settings: Settings, generation: u64) -> Self {
        let life = Life::new(settings.refresh_ahead, settings.request_timeout, Duration::ZERO, generation);
        Self { life, closed: false, waiting: Vec::new(), published: None }
    }
}

impl World {
    /// A caller asks for a token.
    pub(crate) fn get(&mut self, call: usize) {
        let (now, offset) = (self.now(), self.clock.offset());
        let cache = self.calls[call].cache;
        let good =
            |published: &Published| published.offset == offset && !past_limit(published.sent, published.ttl, now);
        let Some(published) = self.caches[cache].published.filter(good) else {
            self.calls[call].deadline = self.now().boot + self.calls[call].patience;
            return self.turn(call);
        };
        let Published { number, generation, .. } = published;
        let looks_in = published.attention.is_some_and(|at| now.boot >= at);
        self.see(Step::Read { call, number, generation, looks_in }, now);
        if looks_in {
            self.look_in(cache);
        }
        self.has_token(call, number);
    }

    /// From the top of the loop that a caller waits in.
    pub(crate) fn turn(&mut self, call: usize) {
        let cache = self.calls[call].cache;
        if self.caches[cache].closed {
            let now = self.now();
            return self.end_call(Step::Closed { call }, call, now);
        }
        let now = self.now();
        if self.wants_fetch(cache, now) {
            return self.fetch(cache, Some(call));
        }
        let answer = self.caches[cache].life.answer(now);
        self.publish(cache);
        match answer {
            Answer::Token => {
                let Published { number, generation, .. } = self.caches[cache].published.expect("just published");
                self.see(Step::HandedOut { call, number, generation }, now);
                self.has_token(call, number);
            }
            Answer::Fail(Error { status, retry_after, .. }) => {
                self.end_call(Step::Told { call, status, retry_after }, call, now);
            }
            Answer::Wait if now.boot >= self.calls[call].deadline => {
                let last_failure = self.caches[cache].life.last_failure().map(|error| error.status);
                self.end_call(Step::GaveUp { call, last_failure }, call, now);
            }
            Answer::Wait => {
                self.see(Step::Waits { call }, now);
                let deadline = self.calls[call].deadline;
                let until = self.caches[cache].life.overdue_at().map_or(deadline, |overdue| overdue.min(deadline));
                self.calls[call].wakes += 1;
                let wakes = self.calls[call].wakes;
                self.caches[cache].waiting.push(call);
                self.after(until.saturating_sub(now.boot), Event::Wake { call, wakes });
            }
        }
    }

    /// A waiting caller wakes, unless something else has woken it before.
    pub(crate) fn wake(&mut self, call: usize, wakes: u32) {
        if self.calls[call].wakes == wakes {
            self.calls[call].wakes += 1;
            let cache = self.calls[call].cache;
            self.caches[cache].waiting.retain(|waiting| *waiting != call);
            self.turn(call);
        }
    }

    fn look_in(&mut self, cache: usize) {
        let now = self.now();
        let has_token = self.caches[cache].life.answer(now) == Answer::Token;
        self.see(Step::LookedIn { has_token }, now);
        if has_token && self.wants_fetch(cache, now) {
            self.fetch(cache, None);
        }
        self.publish(cache);
    }

    /// Somebody reports that an API answered 401 to this token.
    pub(crate) fn invalidate(&mut self, cache: usize, number: u64) {
        if self.caches[cache].closed {
            return;
        }
        let now = self.now();
        let life = &mut self.caches[cache].life;
        let is_current = life.rejected(&value(number), now);
        let withdrawn = is_current && life.offer().is_none();
        self.see(Step::Rejected { number, is_current, withdrawn }, now);
        if is_current && self.wants_fetch(cache, now) {
            self.fetch(cache, None);
        }
        self.publish(cache);
    }

    pub(crate) fn stats(&mut self) -> Stats {
        let now = self.now();
        let cache = self.caches.last_mut().expect("there is a cache");
        let stats = Stats { waiters: cache.waiting.len() as u64, ..cache.life.stats(now) };
        self.see(Step::Looked(Box::new(stats.clone())), now);
        self.publish(self.caches.len() - 1);
        stats
    }

    /// The cache is closed, and another takes over its slot.
    pub(crate) fn free(&mut self) {
        let cache = self.caches.len() - 1;
        let next = Cache::new(self.settings, self.caches[cache].life.generation());
        self.caches[cache].life = Cache::new(self.settings, 0).life;
        self.caches[cache].closed = true;
        self.notify_all(cache);
        self.caches.push(next);
        let now = self.now();
        self.see(Step::Freed, now);
    }

    /// Follows the child: its parent's callers and fetch thread are not there any more.
    pub(crate) fn fork(&mut self) {
        let parent = self.caches.last().expect("there is a cache");
        let mut child = Cache::new(self.settings, parent.life.generation());
        if let Some(Published { number, sent, ttl, .. }) = parent.published {
            let grant = Grant { value: Secret::new(value(number)), ttl, sent };
            child.life.inherit(grant, self.random.chance());
            child.published = parent.published.map(|token| Published { attention: Some(Duration::ZERO), ..token });
        }
        self.caches.push(child);
        self.forget_all_but_time();
        let now = self.now();
        self.see(Step::Forked, now);
    }

    fn wants_fetch(&mut self, cache: usize, now: Moment) -> bool {
        let wants_fetch = self.caches[cache].life.wants_fetch(now);
        self.see(Step::Asked { wants_fetch }, now);
        wants_fetch
    }

    /// Begins a fetch; its thread and whoever began it go on in any order.
    fn fetch(&mut self, cache: usize, call: Option<usize>) {
        let now = self.now();
        self.caches[cache].life.begin_fetch(now);
        self.see(Step::Began, now);
        self.publish(cache);
        let starts = self.thread_starts();
        if starts {
            self.soon(Event::ThreadRuns { cache });
        }
        self.soon(Event::Started { cache, starts, call });
    }

    /// Whoever began a fetch has the lock again.
    pub(crate) fn started(&mut self, cache: usize, starts: bool, call: Option<usize>) {
        if !starts {
            let (now, chance) = (self.now(), self.random.chance());
            self.caches[cache].life.cannot_fetch(failure(Status::Internal, None), now, chance);
            if !self.caches[cache].closed {
                self.see(Step::CannotBegin, now);
            }
            self.tell_all(cache);
        }
        if let Some(call) = call {
            self.turn(call);
        }
    }

    /// The thread of a fetch is about to send a request.
    pub(crate) fn thread_runs(&mut self, cache: usize) {
        let sent = self.now();
        self.soon(Event::Send { cache, sent });
    }

    pub(crate) fn send(&mut self, cache: usize, sent: Moment) {
        let chance = self.random.chance();
        let goes_out = self.caches[cache].life.send_request(sent, chance);
        if self.caches[cache].closed {
            assert!(!goes_out, "a request after its cache was closed");
            return;
        }
        let now = self.clock.now();
        if !goes_out {
            self.see(Step::TooLate { at: sent }, now);
            return self.tell_all(cache);
        }
        self.see(Step::Sent { at: sent }, now);
        let (outcome, latency, mood) = self.server.exchange(self.settings.request_timeout, &mut self.random);
        self.promises.coverage.answered(mood);
        self.after(latency, Event::Answered { cache, sent, outcome });
    }

    pub(crate) fn answered(&mut self, cache: usize, sent: Moment, outcome: Outcome) {
        let (now, chance) = (self.now(), self.random.chance());
        let life = &mut self.caches[cache].life;
        let (next, step) = match outcome {
            Outcome::Token { number, ttl } => {
                let next = life.granted(Grant { value: Secret::new(value(number)), ttl, sent }, now, chance);
                (next, Step::Granted { number, ttl, sent })
            }
            Outcome::Failure { status, retry_after } => {
                let next = life.failed(failure(status, retry_after), now, chance);
                let again = if let Next::RequestAgain(pause) = next { Some(pause) } else { None };
                (next, Step::Failed { status, retry_after, again })
            }
        };
        if !self.caches[cache].closed {
            self.see(step, now);
        }
        self.tell_all(cache);
        if let (Next::RequestAgain(pause), false) = (next, self.caches[cache].closed) {
            self.after(pause, Event::ThreadRuns { cache });
            // A pause is brief: by chance alone, hardly a machine would sleep in one, and somebody look when it wakes.
            if self.trouble.restless && self.random.one_in(20) {
                self.after(pause / 2, Event::Fault(Fault::Sleep));
                self.after(pause / 2, Event::Look);
            }
        }
    }

    fn publish(&mut self, cache: usize) {
        let Cache { life, closed: false, published, .. } = &mut self.caches[cache] else { return };
        let (offer, offset) = (life.offer(), self.clock.offset());
        self.promises.published(offer.as_ref(), life.generation());
        *published = offer.map(|offer| Published {
            number: number(offer.value.expose()),
            generation: offer.generation,
            sent: offer.sent,
            ttl: offer.ttl,
            attention: offer.attention,
            offset,
        });
    }

    fn tell_all(&mut self, cache: usize) {
        self.publish(cache);
        self.notify_all(cache);
    }

    fn notify_all(&mut self, cache: usize) {
        for call in std::mem::take(&mut self.caches[cache].waiting) {
            let wakes = self.calls[call].wakes;
            self.soon(Event::Wake { call, wakes });
        }
    }
}

fn failure(status: Status, retry_after: Option<Duration>) -> Failure {
    Failure { error: Error::new(status, "it failed"), retry_after }
}

fn number(value: &str) -> u64 {
    let digits = value.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().expect("the number of a token ends its value")
}
