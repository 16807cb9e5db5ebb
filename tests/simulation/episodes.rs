//! What a seed makes of a life: thirty days and more of episodes, each with a server, callers and faults of its kind.

use std::time::Duration;

use crate::clock::{DAY, SECOND};
use crate::promises::Settings;
use crate::random::Random;
use crate::server::{MOODS, Mood, Server};
use crate::step::Step;
use crate::world::{Event, Fault, Route, Trouble, World};

/// On the clock of the machine, which started a while before.
const LIFE: Duration = Duration::from_secs(31 * 24 * 3600);

const LONGEST_PAUSE: Duration = Duration::from_secs(8 * 24 * 3600);

const PATIENCE_MS: [u32; 8] = [0, 1, 100, 1_000, 5_000, 30_000, 30_000, 3_600_000];

impl World {
    /// The life that this seed decides.
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let server = Server::new(&mut random);
        let settings = Settings {
            request_timeout: random.pick(&[2, 10, 10, 10, 30]) * SECOND,
            refresh_ahead: random.pick(&[None, None, None, Some(1), Some(60), Some(7_200)]).map(|ahead| ahead * SECOND),
        };
        let mut world = Self::new(random, server, settings);
        world.after(Duration::ZERO, Event::Episode);
        world
    }

    /// One episode, and after a while the next.
    pub(crate) fn episode(&mut self) {
        self.trouble = Trouble { restless: self.random.one_in(2), short_of_threads: self.random.one_in(8) };
        let renewal = self.renewal().filter(|_| self.random.one_in(2));
        self.server.mood = match self.random.below(20) {
            0..8 => Some(Mood::Healthy),
            8 => None,
            9..14 if renewal.is_some() => {
                Some(self.random.pick(&[Mood::Hanging, Mood::Hanging, Mood::Down, Mood::Limiting]))
            }
            _ => Some(self.random.pick(&MOODS)),
        };
        let now = self.clock.now();
        self.see(Step::Mood(self.server.mood), now);
        let spacing = match self.random.below(4) {
            0 => Duration::ZERO,
            1 => self.server.usual_ttl() / if renewal.is_some() { 200 } else { 20 },
            _ => self.random.between(SECOND / 1_000, 1_000 * SECOND),
        };
        let start = renewal.unwrap_or_default();
        let calls = self.random.pick(&[1, 2, 8, 30]);
        self.plan_calls(start, spacing, calls);
        let end = start + spacing * calls;
        self.plan_faults(end);
        let pause = self.random.between(SECOND, LONGEST_PAUSE);
        let next = if now.boot < LIFE { Event::Episode } else { Event::Recovery };
        self.after(end + pause, next);
    }

    /// How long until the token is due, if that is not too far away.
    fn renewal(&self) -> Option<Duration> {
        let wait = self.promises.due()?.saturating_sub(self.clock.now().boot);
        Some(wait).filter(|wait| *wait < LONGEST_PAUSE)
    }

    fn plan_calls(&mut self, start: Duration, spacing: Duration, calls: u32) {
        for call in 0..calls {
            let at = start + spacing * call;
            let patience = self.random.pick(&PATIENCE_MS) * SECOND / 1_000;
            let route = self.route();
            self.after(at, Event::Call { route, patience, is_second: false });
            if self.random.one_in(5) {
                self.after(at, Event::Look);
            }
        }
    }

    fn plan_faults(&mut self, end: Duration) {
        while self.random.one_in(3) {
            let fault = match self.random.below(12) {
                0..4 => Fault::Sleep,
                4..7 => Fault::SetWall,
                7..9 => Fault::Revoke,
                9..11 => Fault::Free,
                _ => Fault::Fork,
            };
            let at = Duration::from_nanos(self.random.below((end + SECOND).as_nanos() as u64));
            self.after(at, Event::Fault(fault));
        }
    }

    /// From now on all is well, and so whoever asks as soon as it may gets a token.
    pub(crate) fn recover(&mut self) {
        self.server.mood = Some(Mood::Healthy);
        self.trouble = Trouble { restless: false, short_of_threads: false };
        self.recovered_by = self.promises.recovered_by(self.clock.now());
        let patience = 100 * SECOND;
        self.after(Duration::ZERO, Event::Call { route: Route::Persistent, patience, is_second: false });
    }

    fn route(&mut self) -> Route {
        match self.random.below(12) {
            0 => Route::Refusing,
            1 => {
                let delay = self.random.between(SECOND / 1_000, 600 * SECOND);
                Route::Late(delay)
            }
            2 => Route::Foreign,
            _ => Route::Sound,
        }
    }

    pub(crate) fn suffer(&mut self, fault: Fault) {
        let time = self.random.between(SECOND, 100 * DAY);
        let step = match fault {
            Fault::Sleep => {
                self.clock.sleep(time / 50);
                Step::Slept(time / 50)
            }
            Fault::SetWall if self.random.one_in(2) => {
                self.clock.set_wall_forward(time);
                Step::WallSetForward(time)
            }
            Fault::SetWall => {
                self.clock.set_wall_back(time);
                Step::WallSetBack(time)
            }
            Fault::Revoke => {
                self.server.revoke_all();
                Step::Revoked
            }
            Fault::Free => return self.free(),
            Fault::Fork => return self.fork(),
        };
        let now = self.clock.now();
        self.see(step, now);
    }
}
