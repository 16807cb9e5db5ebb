//! Where the checker begins: three situations in which many processes want a token at the same moment.

use std::sync::Arc;
use std::time::Duration;

use bankhub_core::Instant;

use crate::actions::Action;
use crate::endpoint::Endpoint;
use crate::fleet::{Budget, Clocks, Fleet, Hashed, State};
use crate::process::Process;
use crate::store::Store;

const HERE: Clocks = Clocks {
    boot_id: "here",
    boottime: Instant::from_origin(Duration::from_secs(1_000_000)),
    realtime: Duration::from_secs(1_700_000_000),
};
/// Its wall clock is ahead, and it started later.
const ELSEWHERE: Clocks = Clocks {
    boot_id: "elsewhere",
    boottime: Instant::from_origin(Duration::from_secs(500_000)),
    realtime: Duration::from_secs(1_700_000_200),
};

const START: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
enum Start {
    /// Nobody has a token.
    Cold,
    /// All have the same token, and it is due.
    Due,
    /// All have the same token, and it was just revoked.
    Revoked,
}

/// Each of them, with an endpoint that ends the old token with each new one, and with one that does not. And a cold one
/// with a store that does not know how old a token is.
pub(crate) fn all(processes: usize, budget: Budget) -> Vec<State> {
    let mut starts = vec![start(Start::Cold, processes, false, true, budget)];
    for ends_old in [false, true] {
        let situations = [Start::Cold, Start::Due, Start::Revoked];
        starts.extend(situations.map(|situation| start(situation, processes, true, ends_old, budget)));
    }
    starts
}

fn start(situation: Start, processes: usize, knows_ages: bool, ends_old: bool, budget: Budget) -> State {
    let clocks = (0..processes).map(|index| if index < 2 { HERE } else { ELSEWHERE });
    let mut state = State {
        now: START,
        processes: clocks.map(|clocks| Hashed::new(Process::new(clocks))).collect(),
        store: Store::new(knows_ages),
        endpoint: Endpoint { ends_old, newest: 0, oldest_accepted: 0 },
        budget,
        bug: None,
        is_lull: false,
        broken: None,
    };
    if let Start::Cold = situation {
        return state;
    }
    let fleet = Fleet { start: Vec::new(), coverage: Arc::default() };
    for process in 0..processes {
        state.budget = Budget { calls: 1, faults: 0, slow_responses: 0 };
        fleet.carry_out(&mut state, Action::Call { process });
        assert!(fleet.settle(&mut state), "without faults all get a token");
    }
    match situation {
        Start::Revoked => state.endpoint.revoke_all(),
        Start::Cold | Start::Due => {
            let due = state.processes.iter().map(|of| of.process.clocks.time_of(of.process.tokens.next_check_at()));
            state.now = due.max().expect("there are processes");
        }
    }
    State { budget, ..state }
}
