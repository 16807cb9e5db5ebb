//! A process, its caller and its fetch threads: drives a `TokenState` as the runtime of `bankhub` does.

use std::time::Duration;

use bankhub_core::{Awaited, Instant, Invalidation, Poll, Published, TokenState};

use crate::coverage::Reached;
use crate::endpoint::{token_number, token_value};
use crate::fetch_thread::FetchThread;
use crate::fleet::{Bug, Clocks, Fleet, State, new_token_state};
use crate::properties;
use crate::store::Store;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Process {
    pub(crate) clocks: Clocks,
    pub(crate) tokens: TokenState,
    /// At most one of them fetches. Another may still be releasing its lease.
    pub(crate) threads: Vec<FetchThread>,
    pub(crate) caller: Option<Caller>,
    /// The token to which an API has just answered 401, and whether its caller will call again.
    pub(crate) report: Option<(u8, bool)>,
    pub(crate) stopped_at: Option<Duration>,
    /// A bit for each token that was rejected here.
    rejected: u32,
    /// The newest generation that was looked at.
    generation: u64,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Caller {
    pub(crate) since: Duration,
    /// When it polls again if nothing wakes it.
    pub(crate) until: Instant,
    pub(crate) is_woken: bool,
    is_second: bool,
    /// Its process was stopped meanwhile.
    pub(crate) was_stopped: bool,
    /// Those that it has begun.
    fetches: u8,
}

/// More than any caller begins before it hears something.
const FETCHES_MAX: u8 = 5;

impl Process {
    /// It was stopped, and goes on. A step that it repeats then is no loop.
    pub(crate) fn carry_on(&mut self) {
        self.stopped_at = None;
        for thread in &mut self.threads {
            thread.steps = 0;
        }
    }

    pub(crate) fn new(clocks: Clocks) -> Self {
        Self {
            clocks,
            tokens: new_token_state(),
            threads: Vec::new(),
            caller: None,
            report: None,
            stopped_at: None,
            rejected: 0,
            generation: 0,
        }
    }

    /// After each step: wakes the caller who waits for what has changed, and looks whether a rejected token is back.
    pub(crate) fn notice_changes(&mut self, before: &Awaited, state: &mut State) {
        if self.tokens.awaited().wakes_since(before)
            && state.bug != Some(Bug::NobodyIsWoken)
            && let Some(caller) = &mut self.caller
        {
            caller.is_woken = true;
        }
        let Some(published) = self.tokens.published() else {
            let next = self.clocks.time_of(self.tokens.next_check_at());
            if self.threads.is_empty() && next > state.now + properties::FAILURE_MAX {
                state.break_property(properties::FAILURE_ENDS);
            }
            return;
        };
        let is_new = published.generation != self.generation;
        if is_new && self.has_rejected(token_number(&published.token.value)) {
            state.break_property(properties::REJECTED_TOKEN_RETURNS);
        }
        self.generation = published.generation;
    }

    /// Whether the waiting caller polls now.
    pub(crate) fn polls_now(&self, now: Duration) -> bool {
        let now = self.clocks.at(now).boottime;
        self.caller.as_ref().is_some_and(|caller| caller.is_woken || now >= caller.until)
    }

    pub(crate) fn has_rejected(&self, number: u8) -> bool {
        self.rejected & 1 << number != 0
    }

    pub(crate) fn stop(&mut self, now: Duration) {
        self.stopped_at = Some(now);
        if let Some(caller) = &mut self.caller {
            caller.was_stopped = true;
        }
        for thread in &mut self.threads {
            thread.may_send_alone = true;
            thread.session.iter_mut().for_each(|session| session.may_lose_lease |= session.lease.is_some());
        }
    }

    /// The lease is about to end without any fault of its holder's.
    pub(crate) fn excuse_holder(&mut self, store: &Store) {
        let sessions = self.threads.iter_mut().filter_map(|thread| thread.session.as_mut());
        sessions.filter(|session| store.is_held_by(session)).for_each(|session| session.may_lose_lease = true);
    }

    /// The number of the token that callers may have now.
    pub(crate) fn served(&self) -> Option<u8> {
        self.tokens.published().map(|published| token_number(&published.token.value))
    }
}

impl Fleet {
    pub(crate) fn call(&self, state: &mut State, of: &mut Process, is_second: bool) {
        let now = of.clocks.at(state.now);
        let is_free = |it: &Published<'_>| it.confirm_at.is_none_or(|at| now.boottime < at) && !it.token.is_stale(now);
        if let Some(published) = of.tokens.published().filter(is_free) {
            let number = token_number(&published.token.value);
            // As readers without the lock do it.
            if published.next_check_at.is_some_and(|at| now.boottime >= at) && of.tokens.refresh_if_due(now) {
                of.threads.push(FetchThread::new());
            }
            return self.use_token(state, of, number, is_second);
        }
        let (since, until) = (state.now, Instant::default());
        let caller = Caller { since, until, is_woken: false, is_second, was_stopped: false, fetches: 0 };
        self.poll(state, of, caller);
    }

    /// From the top of the loop in which a caller waits.
    pub(crate) fn poll(&self, state: &mut State, of: &mut Process, mut caller: Caller) {
        let now = of.clocks.at(state.now);
        loop {
            match of.tokens.poll(now) {
                Poll::Serve(published) => {
                    let number = token_number(&published.token.value);
                    if published.token.is_stale(now) {
                        state.break_property(properties::STALE_TOKEN);
                    }
                    return self.use_token(state, of, number, caller.is_second);
                }
                Poll::StartFetch => {
                    caller.fetches += 1;
                    if caller.fetches > FETCHES_MAX {
                        return state.break_property(properties::LOOPS);
                    }
                    of.threads.push(FetchThread::new());
                }
                Poll::Fail(_) => return self.coverage.reach(Reached::CallFailed),
                Poll::Confirm { until, .. } | Poll::Wait { until } => {
                    if until <= now.boottime {
                        state.break_property(properties::WAITS_FOR_THE_PAST);
                    }
                    self.coverage.reach(Reached::Waited);
                    of.caller = Some(Caller { until, is_woken: false, ..caller });
                    return;
                }
            }
        }
    }

    /// The caller sends the token to an API, which may answer 401.
    fn use_token(&self, state: &mut State, of: &mut Process, number: u8, is_second: bool) {
        if state.endpoint.accepts(number) {
            self.coverage.reach(Reached::Served);
        } else {
            self.coverage.reach(Reached::Rejected);
            of.report = Some((number, !is_second));
        }
    }

    pub(crate) fn wake(&self, state: &mut State, of: &mut Process) {
        if let Some(caller) = of.caller.take() {
            self.poll(state, of, caller);
        }
    }

    /// The caller reports the 401, and calls again.
    pub(crate) fn report(&self, state: &mut State, of: &mut Process) {
        let Some((number, again)) = of.report.take() else { return };
        let now = of.clocks.at(state.now);
        let invalidation = of.tokens.invalidate(token_value(number).expose(), now);
        if invalidation != Invalidation::Ignored {
            of.rejected |= 1 << number;
            of.threads.iter_mut().for_each(|thread| thread.rejected_since = true);
        }
        if invalidation == Invalidation::StartFetch {
            of.threads.push(FetchThread::new());
        }
        if again {
            self.call(state, of, true);
        }
    }
}
