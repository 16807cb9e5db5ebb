//! The processes of a fleet, sharing a store: whatever one does, the others see.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;
use std::time::Duration;

use crate::fleet::{Fleet, NOTICED_WITHIN, Seen};
use crate::life::{Found, Next};
use crate::policy;
use crate::process::{Process, REQUEST_TIMEOUT, Token, grant, moment, unavailable};
use crate::store::Store;
use crate::turn::{self, Queue};

/// Reading what lies in the store, and asking for the lease if that is of no use.
const LOOK_TAKES: Duration = Duration::from_millis(1);

impl Fleet {
    /// Lives through it event by event, as each process depends on the others: what the endpoint sees, and the store.
    pub(crate) fn live_sharing(&self) -> (Seen, Seen) {
        let mut world = World::new(self);
        let mut sharers: Vec<_> = (0..self.processes).map(|seed| Sharer::new(seed, self)).collect();
        let mut events: BinaryHeap<_> = (0..sharers.len()).map(|sharer| Reverse((Duration::ZERO, sharer))).collect();
        // Each has one event to come, which takes the place of its last.
        while let Some(mut event) = events.peek_mut().filter(|event| event.0.0 < self.lives) {
            let Reverse((now, sharer)) = *event;
            *event = Reverse((sharers[sharer].go_on(now, &mut world), sharer));
        }
        (self.summary(&world.requests), self.summary(&world.looks))
    }
}

/// What the processes have in common.
struct World<'f> {
    fleet: &'f Fleet,
    store: Store,
    in_flight: bool,
    /// Token requests and looks into the store, in each second.
    requests: Vec<u32>,
    looks: Vec<u32>,
}

impl<'f> World<'f> {
    fn new(fleet: &'f Fleet) -> Self {
        let seconds = vec![0; fleet.lives.as_secs() as usize + 1];
        Self { fleet, store: Store::default(), in_flight: false, requests: seconds.clone(), looks: seconds }
    }
}

/// One process, which does on one event after the other what `src/cache.rs` does on its threads.
struct Sharer {
    process: Process,
    doing: Doing,
    /// From when somebody finds out which tokens were revoked.
    notices: Duration,
    /// When the newest token was sent for of those that somebody has reported.
    reported: Duration,
    next_look: Duration,
}

enum Doing {
    Nothing,
    Turn { queue: Queue, is_ours: bool },
    Request { sent: Duration },
}

impl Sharer {
    fn new(seed: u64, fleet: &Fleet) -> Self {
        let mut process = Process::new(seed, fleet.jitter, policy::turns_take(REQUEST_TIMEOUT));
        let notices = fleet.revocation() + NOTICED_WITHIN.mul_f64(process.random().f64());
        Self { process, doing: Doing::Nothing, notices, reported: Duration::ZERO, next_look: Duration::ZERO }
    }

    /// Does what there is to do now. When there is more.
    fn go_on(&mut self, now: Duration, world: &mut World<'_>) -> Duration {
        match mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Nothing => self.ask(now, world.fleet),
            Doing::Turn { queue, is_ours } => self.look(queue, is_ours, now, world),
            Doing::Request { sent } => self.receive(sent, now, world),
        }
    }

    /// Somebody asks for a token, or has been told 401.
    fn ask(&mut self, now: Duration, fleet: &Fleet) -> Duration {
        if now >= self.notices
            && let Some((token, sent)) = self.revoked(fleet)
        {
            self.reported = sent;
            self.process.reject(token, now);
        }
        if !self.process.wants_fetch(now) {
            let next = self.next_ask(now, fleet);
            assert!(next > now, "nobody asks again before it makes a difference");
            return next;
        }
        self.process.life.begin_fetch(moment(now));
        self.begin_turn(now)
    }

    fn begin_turn(&mut self, now: Duration) -> Duration {
        let overdue_at = self.process.life.overdue_at().expect("a fetch is in flight");
        let queue = Queue::new(policy::turn_takes(REQUEST_TIMEOUT), overdue_at - policy::TURN_LOOK_MAX);
        self.doing = Doing::Turn { queue, is_ours: false };
        now + LOOK_TAKES
    }

    fn look(&mut self, mut queue: Queue, is_ours: bool, now: Duration, world: &mut World<'_>) -> Duration {
        world.looks[now.as_secs() as usize] += 1;
        let chance = self.process.chance();
        match self.process.life.looked(world.store.read(now), moment(now), chance) {
            Found::Ended => {
                if is_ours {
                    world.store.end_lease();
                }
                return self.end_fetch(now, world.fleet);
            }
            Found::Rejected if is_ours => world.store.remove(),
            Found::Rejected | Found::Useless => {}
        }
        if is_ours {
            return self.request(now, world);
        }
        let chance = self.process.chance();
        let (is_ours, pause) = match queue.asked(world.store.lease(now), now, chance) {
            turn::Next::Fetch => (true, Duration::ZERO),
            turn::Next::LookAgain(pause) => (false, pause),
            turn::Next::GoAlone => panic!("every holder ends its lease"),
            turn::Next::GiveUp => return self.give_up(now, world.fleet),
        };
        self.doing = Doing::Turn { queue, is_ours };
        now + pause + LOOK_TAKES
    }

    fn request(&mut self, now: Duration, world: &mut World<'_>) -> Duration {
        let chance = self.process.chance();
        if !self.process.life.send_request(moment(now), chance) {
            world.store.end_lease();
            return self.end_fetch(now, world.fleet);
        }
        assert!(!mem::replace(&mut world.in_flight, true), "one request at a time, of all who share the store");
        world.requests[now.as_secs() as usize] += 1;
        self.doing = Doing::Request { sent: now };
        now + self.process.exchange_takes()
    }

    fn receive(&mut self, sent: Duration, now: Duration, world: &mut World<'_>) -> Duration {
        world.in_flight = false;
        let token = (!world.fleet.outage().contains(&sent)).then_some(sent.as_nanos() as Token);
        if let Some(token) = token {
            world.store.write(token, world.fleet.ttl, sent);
        }
        world.store.end_lease();
        match self.process.answered(token.map(|token| grant(token, world.fleet.ttl, sent)), now) {
            Next::RequestAgain(pause) => self.begin_turn(now + pause),
            Next::End => self.end_fetch(now, world.fleet),
        }
    }

    fn give_up(&mut self, now: Duration, fleet: &Fleet) -> Duration {
        let chance = self.process.chance();
        let ends = self.process.life.gives_up(unavailable("none got a token in its turn"), moment(now), chance);
        assert!(ends, "who has no token has failed before: it is the outage that keeps others from one");
        self.end_fetch(now, fleet)
    }

    /// The life has ended it: by the chance that it was given last, it reckons when it may look into the store again.
    fn end_fetch(&mut self, now: Duration, fleet: &Fleet) -> Duration {
        self.next_look = now + policy::look_pause(self.process.last_chance);
        self.next_ask(now, fleet)
    }

    /// When it makes a difference again that somebody asks all the time.
    fn next_ask(&mut self, now: Duration, fleet: &Fleet) -> Duration {
        let next = self.process.next_fetch(now);
        let Some(offer) = self.process.life.offer() else { return next.min(self.next_look.max(now)) };
        let end = offer.sent.boot + policy::limit(offer.ttl);
        let noticed = self.revoked(fleet).map_or(Duration::MAX, |_| self.notices.max(now));
        next.min(end).min(noticed)
    }

    /// The token, and when it was sent for, if somebody is to report it sooner or later.
    fn revoked(&self, fleet: &Fleet) -> Option<(Token, Duration)> {
        let offer = self.process.life.offer()?;
        let sent = offer.sent.boot;
        (self.reported < sent && sent < fleet.revocation()).then_some((sent.as_nanos() as Token, sent))
    }
}
