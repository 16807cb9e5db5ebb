//! The callers: of every patience, and with every use for a token.

use std::time::Duration;

use crate::clock::SECOND;
use crate::life::Moment;
use crate::step::Step;
use crate::world::{Call, End, Event, Route, World};

/// No token has this number.
const FOREIGN: u64 = u64::MAX;

impl World {
    pub(crate) fn call(&mut self, route: Route, patience: Duration, is_second: bool) {
        let (call, cache, began) = (self.calls.len(), self.caches.len() - 1, self.clock.running);
        self.calls.push(Call {
            cache,
            route,
            patience,
            began,
            aside: self.aside,
            deadline: Duration::MAX,
            wakes: 0,
            is_second,
            end: None,
        });
        let now = self.clock.now();
        self.see(Step::Called { call, patience }, now);
        self.get(call);
    }

    /// The call has ended well.
    pub(crate) fn has_token(&mut self, call: usize, number: u64) {
        self.check_time(call);
        self.calls[call].end = Some(End::Token);
        let Call { cache, route, patience, is_second, .. } = self.calls[call];
        let (number, delay) = match route {
            Route::Sound if self.server.accepts(number) => return,
            Route::Sound | Route::Refusing => (number, SECOND / 100),
            Route::Late(delay) => (number, delay),
            Route::Foreign => (FOREIGN, Duration::ZERO),
            Route::Persistent => return self.check_recovery(),
            Route::Looping(pause) => return self.after(pause, Event::Call { route, patience, is_second }),
        };
        let again = (!is_second).then_some(route);
        self.after(delay, Event::Report { cache, number, again });
    }

    pub(crate) fn report(&mut self, cache: usize, number: u64, again: Option<Route>) {
        self.invalidate(cache, number);
        if let Some(route) = again {
            self.call(route, 30 * SECOND, true);
        }
    }

    /// The call has ended, as the step says.
    pub(crate) fn end_call(&mut self, step: Step, call: usize, now: Moment) {
        self.check_time(call);
        self.calls[call].end = Some(End::NoToken);
        let Call { route, patience, is_second, .. } = self.calls[call];
        if route == Route::Persistent {
            self.check_recovery();
        }
        let pause = match (route, &step) {
            (Route::Persistent, Step::Told { retry_after: Some(pause), .. }) => Some(*pause),
            (Route::Persistent, _) => Some(60 * SECOND),
            (Route::Looping(pause), _) => Some(pause),
            (Route::Sound | Route::Refusing | Route::Late(_) | Route::Foreign, _) => None,
        };
        if let Some(pause) = pause {
            self.after(pause, Event::Call { route, patience, is_second });
        }
        self.see(step, now);
    }

    fn check_time(&self, call: usize) {
        let Call { began, aside, patience, .. } = self.calls[call];
        let (took, aside) = (self.clock.running - began, self.aside - aside);
        assert!(took <= patience + aside, "call {call} took {took:?}, more than {patience:?} and {aside:?} put aside");
    }

    fn check_recovery(&self) {
        let boot = self.clock.now().boot;
        assert!(boot <= self.recovered_by, "no token until {boot:?}, later than {:?}", self.recovered_by);
    }
}
