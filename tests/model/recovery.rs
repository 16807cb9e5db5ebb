//! Once no fault happens any more, every process gets the same token, whatever state it was left in.

use std::sync::Arc;
use std::time::Duration;

use crate::actions::Action;
use crate::coverage::{Coverage, Reached};
use crate::endpoint::Outcome;
use crate::fleet::{Budget, Fleet, State};

/// Longer than any backoff after that few faults, and than any spacing of rejections.
const PAUSE: Duration = Duration::from_secs(70);
const ROUNDS: usize = 4;
const STEPS_MAX: usize = 2_000;

impl Fleet {
    /// The endpoint ends all tokens, and each process is called several times.
    pub(crate) fn recovers_from(&self, quiet: &State) -> bool {
        let quietly = Self { start: Vec::new(), coverage: Arc::new(Coverage::default()) };
        let mut state = quiet.clone();
        state.endpoint.revoke_all();
        for _ in 0..ROUNDS {
            state.now += PAUSE;
            state.store.expire(state.now, state.bug);
            for process in 0..state.processes.len() {
                state.budget = Budget { calls: 1, faults: 0, slow_responses: 0 };
                quietly.carry_out(&mut state, Action::Call { process });
                if !quietly.settle(&mut state) {
                    return false;
                }
            }
        }
        let served: Vec<_> = (0..state.processes.len()).map(|index| state.process(index).served()).collect();
        let is_shared = served.windows(2).all(|pair| pair[0] == pair[1]);
        let is_good = served[0].is_some_and(|number| state.endpoint.accepts(number));
        self.coverage.reach_if(is_shared && is_good, Reached::Recovered);
        is_shared && is_good
    }

    /// Whether all that is in flight comes to an end, in one order of events.
    pub(crate) fn settle(&self, state: &mut State) -> bool {
        for _ in 0..STEPS_MAX {
            if state.is_quiet() || state.broken.is_some() {
                return state.broken.is_none();
            }
            let next = state.possible_actions().into_iter().find(|action| is_healthy(*action));
            let Some(action) = next else { return false };
            self.carry_out(state, action);
        }
        false
    }
}

fn is_healthy(action: Action) -> bool {
    !matches!(action, Action::Send { outcome, .. } if outcome != Outcome::Token)
}
