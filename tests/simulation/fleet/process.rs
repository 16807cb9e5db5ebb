//! Drives the lives of processes that share a store step by step, as `src/cache.rs` does: between any two steps of one,
//! others may come first, and it may be stopped or end.

use std::time::Duration;

use super::coverage::Reached;
use super::promises::Request;
use super::store::{Answer as Told, Kind, Op};
use super::token::{self, Token};
use super::world::{Event, Fleet};
use crate::clock::SECOND;
use crate::error::{Error, Status};
use crate::life::{Answer, Failure, Found, Grant, Life, Moment, Next};
use crate::numbers;
use crate::policy;
use crate::promises::value;
use crate::secret::Secret;
use crate::server::{Mood, Outcome};
use crate::turn::{self, Queue};

pub(super) struct Process {
    pub(super) machine: usize,
    /// How many there were before it in its place: what was to happen to those is void.
    pub(super) epoch: u32,
    pub(super) life: Life,
    pub(super) visit: Option<Visit>,
    pub(super) waiting: Vec<usize>,
    /// The last token that it handed out.
    pub(super) held: Option<u64>,
    /// The newest at the end.
    pub(super) rejected: Vec<u64>,
    pub(super) last_rejection: Duration,
    pub(super) stopped_until: Duration,
    /// When it last sent a request, or got its answer.
    pub(super) last_exchange: Duration,
    /// When the request in flight is overdue, or was.
    pub(super) overdue: Option<Duration>,
    /// What the endpoint has asked it for.
    pub(super) not_before: Duration,
    pub(super) calls_since: Duration,
}

/// Of a fetch, one after the other.
pub(super) struct Visit {
    pub(super) owner: u64,
    queue: Queue,
    is_ours: bool,
    /// It has done with the store, or the store with it.
    is_alone: bool,
    found: Vec<u8>,
    /// A moment, and what the store called it.
    leased: Option<(Moment, Duration)>,
    /// The operation whose answer is awaited, and since when.
    asked: (u64, Moment),
    /// What is told to the life when the store has been told.
    outcome: Option<(Outcome, Moment)>,
}

pub(super) struct Call {
    pub(super) process: usize,
    pub(super) began: Duration,
    deadline: Duration,
    is_second: bool,
}

impl Process {
    pub(super) fn new(machine: usize, epoch: u32, life: Life, now: Duration) -> Self {
        Self {
            machine,
            epoch,
            life,
            visit: None,
            waiting: Vec::new(),
            held: None,
            rejected: Vec::new(),
            last_rejection: Duration::ZERO,
            stopped_until: Duration::ZERO,
            last_exchange: Duration::ZERO,
            overdue: None,
            not_before: Duration::ZERO,
            calls_since: now,
        }
    }
}

impl Fleet {
    pub(super) fn call(&mut self, process: usize, is_second: bool) {
        // Enough for the turns of others and a request of one's own: by default, as long as `get` waits.
        let patience = 2 * self.request_timeout + 10 * SECOND;
        let (began, deadline) = (self.now, self.now + patience);
        self.calls.push(Call { process, began, deadline, is_second });
        self.ask(self.calls.len() - 1);
    }

    /// From the top of the loop that a caller waits in.
    pub(super) fn ask(&mut self, call: usize) {
        let (process, deadline) = (self.calls[call].process, self.calls[call].deadline);
        self.begin_fetch_if_wanted(process);
        let now = self.moment(process);
        match self.processes[process].life.answer(now) {
            Answer::Token => self.use_token(call),
            Answer::Fail(error) => self.check_failure(call, error.status),
            Answer::Wait if self.now >= deadline => self.check_failure(call, Status::Deadline),
            Answer::Wait => {
                let overdue = self.processes[process].life.overdue_at().expect("a caller waits for a fetch");
                self.processes[process].waiting.push(call);
                let wait = (deadline - self.now).min(overdue.saturating_sub(now.boot));
                self.after(wait, process, Event::Wake { call });
            }
        }
    }

    pub(super) fn wake(&mut self, call: usize) {
        let waiting = &mut self.processes[self.calls[call].process].waiting;
        if let Some(place) = waiting.iter().position(|waiting| *waiting == call) {
            waiting.remove(place);
            self.ask(call);
        }
    }

    fn tell_all(&mut self, process: usize) {
        for call in self.processes[process].waiting.clone() {
            self.soon(process, Event::Wake { call });
        }
    }

    fn begin_fetch_if_wanted(&mut self, process: usize) {
        let now = self.moment(process);
        let life = &mut self.processes[process].life;
        if life.wants_fetch(now) {
            life.begin_fetch(now);
            self.soon(process, Event::Visit);
        }
    }

    /// The caller sends the token to an API, and reports it if that answers 401.
    fn use_token(&mut self, call: usize) {
        let Call { process, is_second, .. } = self.calls[call];
        let number = self.check_token(process);
        let refuses = !self.server.accepts(number) || self.trouble.routes && self.random.one_in(40);
        if refuses {
            self.soon(process, Event::Report { number, again: !is_second });
        }
    }

    pub(super) fn report(&mut self, process: usize, number: u64, again: bool) {
        let now = self.moment(process);
        if self.processes[process].life.rejected(&value(number), now) {
            self.processes[process].rejected.push(number);
            self.processes[process].last_rejection = self.now;
            self.begin_fetch_if_wanted(process);
        }
        if again {
            self.call(process, true);
        }
    }

    /// The thread of a fetch begins, or begins again after a failed request.
    pub(super) fn visit(&mut self, process: usize) {
        let overdue_at = self.processes[process].life.overdue_at().unwrap_or_default();
        let give_up_at = overdue_at.saturating_sub(policy::TURN_LOOK_MAX);
        let now = self.moment(process);
        self.processes[process].visit = Some(Visit {
            owner: self.new_number(),
            queue: Queue::new(policy::turn_takes(self.request_timeout), give_up_at),
            is_ours: false,
            is_alone: false,
            found: Vec::new(),
            leased: None,
            asked: (0, now),
            outcome: None,
        });
        self.ask_store(process, Op::Read);
    }

    fn ask_store(&mut self, process: usize, op: Op) {
        let asked = (self.new_number(), self.moment(process));
        self.visit_of(process).asked = asked;
        let late = self.send_to_store(process, op);
        if late {
            self.after(policy::STORE_OPERATION_MAX, process, Event::Late { asked: asked.0 });
        }
    }

    /// Whether the answer will come too late.
    fn send_to_store(&mut self, process: usize, op: Op) -> bool {
        let (there, back) = (self.store_latency(), self.store_latency());
        let late = there + back > policy::STORE_OPERATION_MAX;
        let Visit { owner, asked, .. } = *self.visit_of(process);
        let answer_after = (!late).then_some(back);
        let event = Event::CarriedOut { owner, asked: asked.0, op, answer_after };
        self.after(there, process, event);
        late
    }

    /// `asked`: which question that answers. Nobody may be waiting for it any more.
    pub(super) fn told(&mut self, process: usize, asked: u64, answer: Told, late: bool) {
        let now = self.moment(process);
        let awaited = |visit: &&mut Visit| visit.asked.0 == asked;
        let Some(visit) = self.processes[process].visit.as_mut().filter(awaited) else { return };
        match answer {
            Told::Failed => self.store_failed(process, late),
            Told::Lying(lying) => self.look(process, lying),
            Told::Removed => self.send(process),
            Told::LeaseEnded => unreachable!("nobody waits for that"),
            Told::Written(written) => {
                if written && self.store.kind == Kind::Redis {
                    visit.leased = None;
                }
                self.stored(process, written);
            }
            Told::Lease(lease, time) => {
                let chance = self.random.chance();
                match visit.queue.asked(lease, now.boot, chance) {
                    turn::Next::Fetch => {
                        visit.is_ours = true;
                        visit.leased = Some((now, time));
                        self.ask_store(process, Op::Read);
                    }
                    turn::Next::LookAgain(pause) => self.after(pause, process, Event::LookAgain),
                    turn::Next::GoAlone => {
                        self.check_that_holder_is_stuck();
                        self.store_failed(process, false);
                    }
                    turn::Next::GiveUp => {
                        self.reached.see(Reached::GaveUp);
                        let chance = self.random.chance();
                        let failure = failure(Status::Unavailable, None);
                        if self.processes[process].life.gives_up(failure, now, chance) {
                            self.end_fetch(process);
                        } else {
                            self.store_failed(process, false);
                        }
                    }
                }
            }
        }
    }

    pub(super) fn look_again(&mut self, process: usize) {
        self.ask_store(process, Op::Read);
    }

    fn look(&mut self, process: usize, lying: Option<(Vec<u8>, Option<Duration>)>) {
        let (now, chance) = (self.moment(process), self.random.chance());
        let boot_id = self.machines[self.processes[process].machine].boot_id.clone();
        let visit = self.visit_of(process);
        let asked_at = visit.asked.1;
        let is_ours = visit.is_ours;
        let mut grant = None;
        visit.found.clear();
        if let Some((plain, left)) = lying {
            let token = Token::decode(&plain).expect("a store keeps what was put there");
            grant = token.into_grant(left.map(|left| asked_at.after(left)), Some(&boot_id), asked_at);
            visit.found = plain;
        }
        let in_backoff = self.processes[process].life.stats(now).next_attempt_at != 0;
        match self.processes[process].life.looked(grant, now, chance) {
            Found::Ended => {
                let may_hand_out = self.processes[process].life.offer().is_some();
                self.reached.see_if(may_hand_out && in_backoff, Reached::TakenOverInBackoff);
                self.reached.see_if(may_hand_out, Reached::TakenOver);
                self.end_fetch(process);
            }
            Found::Rejected if is_ours => {
                self.reached.see(Reached::RejectedRemoved);
                let plain = self.visit_of(process).found.clone();
                self.ask_store(process, Op::Remove { plain });
            }
            Found::Rejected | Found::Useless if is_ours => self.send(process),
            Found::Rejected | Found::Useless => {
                let length = policy::lease(self.request_timeout);
                self.ask_store(process, Op::Lease { length });
            }
        }
    }

    /// It is done without the store from now on.
    fn store_failed(&mut self, process: usize, late: bool) {
        self.processes[process].life.store_failed(error(Status::Unavailable));
        let visit = self.visit_of(process);
        if late {
            // Who does not answer in time is not waited for again: the lease is left to expire.
            visit.leased = None;
        }
        if visit.outcome.is_some() {
            return self.stored(process, false);
        }
        self.give_lease_back(process);
        self.visit_of(process).is_alone = true;
        self.send(process);
    }

    fn give_lease_back(&mut self, process: usize) {
        let visit = self.visit_of(process);
        let owner = visit.owner;
        if visit.leased.take().is_none() {
            return;
        }
        match self.store.kind {
            Kind::Directory => self.store.unlock(owner),
            Kind::Redis => drop(self.send_to_store(process, Op::EndLease)),
        }
    }

    fn send(&mut self, process: usize) {
        let (sent, chance) = (self.moment(process), self.random.chance());
        if !self.processes[process].life.send_request(sent, chance) {
            return self.end_fetch(process);
        }
        let Visit { owner, is_alone, .. } = *self.visit_of(process);
        self.processes[process].overdue = Some(self.now + self.request_timeout + policy::OVERDUE_GRACE);
        self.tell_all(process);
        let (outcome, mut latency, mood) = self.server.exchange(self.request_timeout, &mut self.random);
        if mood == Mood::Healthy && self.trouble.delays && self.random.one_in(2) {
            latency = (self.request_timeout - SECOND / 100).min(self.ttl / 4);
        }
        self.reached.see_if(mood == Mood::Hanging, Reached::Hanging);
        self.check_request(Request { process, owner, is_alone, until: self.now + latency }, outcome);
        self.after(latency, process, Event::Answered { owner, sent, outcome });
    }

    pub(super) fn answered(&mut self, process: usize, owner: u64, sent: Moment, outcome: Outcome) {
        self.processes[process].last_exchange = self.now;
        self.processes[process].overdue = None;
        let now = self.moment(process);
        let visit = self.visit_of(process);
        assert_eq!(visit.owner, owner, "a process fetches once at a time");
        visit.outcome = Some((outcome, sent));
        let (is_alone, leased, found) = (visit.is_alone, visit.leased, visit.found.clone());
        if !is_alone {
            self.processes[process].life.answered(now);
        }
        let Outcome::Token { number, ttl } = outcome else { return self.stored(process, true) };
        let (Some((leased, time)), false) = (leased, is_alone) else { return self.stored(process, true) };
        let boot_id = &self.machines[self.processes[process].machine].boot_id;
        let plain = token::encode(&Secret::new(value(number)), ttl, sent, boot_id).to_vec();
        let end = time + sent.after(ttl).boot.saturating_sub(leased.boot);
        self.ask_store(process, Op::Write { plain, number, end, found });
    }

    /// The store has been told what there was to tell it, or could not be.
    fn stored(&mut self, process: usize, well: bool) {
        let (now, chance) = (self.moment(process), self.random.chance());
        let (outcome, sent) = self.visit_of(process).outcome.expect("that came before");
        self.give_lease_back(process);
        let life = &mut self.processes[process].life;
        if !well {
            life.store_failed(error(Status::Unavailable));
        }
        let next = match outcome {
            Outcome::Token { number, ttl } => {
                life.granted(Grant { value: Secret::new(value(number)), ttl, sent }, now, chance)
            }
            Outcome::Failure { status, retry_after } => life.failed(failure(status, retry_after), now, chance),
        };
        if let Outcome::Failure { retry_after: Some(after), .. } = outcome {
            self.processes[process].not_before = self.now + after.min(numbers::RETRY_AFTER_MAX);
        }
        self.end_fetch(process);
        if let Next::RequestAgain(pause) = next {
            self.after(pause, process, Event::Visit);
        }
    }

    /// The thread goes, and what it had of the store with it.
    fn end_fetch(&mut self, process: usize) {
        self.give_lease_back(process);
        self.processes[process].visit = None;
        self.tell_all(process);
    }

    fn visit_of(&mut self, process: usize) -> &mut Visit {
        self.processes[process].visit.as_mut().expect("a fetch goes on")
    }

    /// How long an operation is on its way to the store, or its answer on its way back.
    fn store_latency(&mut self) -> Duration {
        let quick = self.random.between(SECOND / 10_000, SECOND / 200);
        match self.store.health {
            super::store::Health::Slow if self.random.one_in(8) => self.random.between(SECOND / 2, 20 * SECOND),
            super::store::Health::Slow => self.random.between(SECOND / 1_000, SECOND / 4),
            _ => quick,
        }
    }
}

fn error(status: Status) -> Error {
    Error::new(status, "it failed")
}

fn failure(status: Status, retry_after: Option<Duration>) -> Failure {
    Failure { error: error(status), retry_after }
}
