//! The fleet as stateright sees it: what a state is, what may happen in it, and what follows.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bankhub_core::{Instant, Settings, Timestamp, TokenState, policy};
use stateright::{Model, Property};

use crate::actions::Action;
use crate::coverage::Coverage;
use crate::endpoint::Endpoint;
use crate::process::Process;
use crate::properties;
use crate::store::Store;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const REQUEST_TIMEOUT: Duration = SECOND;
pub(crate) const TTL: Duration = Duration::from_secs(3600);

/// A fleet, as it starts.
pub(crate) struct Fleet {
    pub(crate) start: Vec<State>,
    pub(crate) coverage: Arc<Coverage>,
}

/// A mistake in what surrounds `bankhub-core`, which the checker must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The lease holder gets to read again what the store held before it had the lease.
    SecondReadSkipped,
    /// The release of a lease that was lost deletes the lease of the next holder.
    ReleasesForeignLease,
    /// The lease of a process that was killed does not end.
    LeaseNeverExpires,
    /// The time of a shared failure begins anew with each read.
    FailureBeginsAnew,
    /// Nobody wakes the callers who wait.
    NobodyIsWoken,
}

/// How often each may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) calls: u8,
    pub(crate) faults: u8,
    /// Requests that take nearly as long as they may.
    pub(crate) slow_responses: u8,
}

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) now: Duration,
    pub(crate) processes: Vec<Arc<Hashed>>,
    pub(crate) store: Store,
    pub(crate) endpoint: Endpoint,
    pub(crate) budget: Budget,
    pub(crate) bug: Option<Bug>,
    /// Nothing has happened since time passed but that processes ask for the lease again.
    pub(crate) is_lull: bool,
    /// The first property that was broken on the way here.
    pub(crate) broken: Option<&'static str>,
}

/// A process, and its hash, because most steps change only one of them.
pub(crate) struct Hashed {
    pub(crate) process: Process,
    hash: u64,
}

impl Hashed {
    pub(crate) fn new(process: Process) -> Arc<Self> {
        let hash = hash_of(&process);
        Arc::new(Self { process, hash })
    }
}

impl State {
    pub(crate) fn process(&self, index: usize) -> &Process {
        &self.processes[index].process
    }

    /// Replaces the process by what the change makes of it.
    pub(crate) fn change<T>(&mut self, index: usize, change: impl FnOnce(&mut Self, &mut Process) -> T) -> T {
        let mut process = self.process(index).clone();
        let awaited = process.tokens.awaited();
        let result = change(self, &mut process);
        process.notice_changes(&awaited, self);
        self.processes[index] = Hashed::new(process);
        result
    }

    pub(crate) fn break_property(&mut self, name: &'static str) {
        self.broken.get_or_insert(name);
    }
}

pub(crate) fn new_token_state() -> TokenState {
    let lease_wait_max = policy::lease_wait_max(REQUEST_TIMEOUT);
    TokenState::new(Settings { refresh_ahead: None, request_timeout: REQUEST_TIMEOUT, lease_wait_max }, 0)
}

/// Processes that have changed places are the same to the checker.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let mut hashes: Vec<_> = self.processes.iter().map(|hashed| hashed.hash).collect();
        hashes.sort_unstable();
        (self.now, hashes, &self.store, &self.endpoint, self.budget, self.is_lull, self.broken).hash(hasher);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        hash_of(self) == hash_of(other)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { now, store, endpoint, budget, broken, .. } = self;
        writeln!(f, "{now:?} {store:?} {endpoint:?} {budget:?} {broken:?}")?;
        self.processes.iter().try_for_each(|hashed| writeln!(f, "  {:?}", hashed.process))
    }
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Model for Fleet {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.start.clone()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_none() {
            actions.extend(state.possible_actions());
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.after(state, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Fleet {
    pub(crate) fn after(&self, state: &State, action: Action) -> State {
        let mut next = state.clone();
        self.carry_out(&mut next, action);
        next
    }
}

/// The clocks of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Clocks {
    pub(crate) boot_id: &'static str,
    pub(crate) boottime: Instant,
    pub(crate) realtime: Duration,
}

impl Clocks {
    pub(crate) fn at(self, now: Duration) -> Timestamp {
        Timestamp { boottime: self.boottime + now, realtime: self.realtime + now }
    }

    /// When these clocks say so.
    pub(crate) fn time_of(self, at: Instant) -> Duration {
        at.saturating_since(self.boottime)
    }
}
