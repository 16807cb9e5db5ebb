//! Which step was seen in which state. What no seed reaches is not tested, and what was thought impossible must be.

use crate::seeds::Reached;
use crate::server::{MOODS, Mood};
use crate::step::Step;

/// What is known of the newest token.
#[derive(Clone, Copy)]
pub(crate) enum Token {
    None,
    Good,
    /// Rejected, and not handed out.
    Withdrawn,
    /// Rejected, and handed out for want of a better one.
    Kept,
}

#[derive(Clone, Copy)]
pub(crate) enum Fetching {
    Idle,
    /// The last fetch failed.
    Failing,
    InFlight,
    Overdue,
}

#[derive(Clone, Copy)]
pub(crate) struct State {
    pub(crate) token: Token,
    pub(crate) fetching: Fetching,
}

/// What happens, as the columns of the table.
#[derive(Clone, Copy)]
pub(crate) enum Mark {
    Began,
    CannotBegin,
    Sent,
    TooLate,
    Granted,
    GrantedSame,
    GrantedPastLimit,
    FailedOnce,
    FailedFetch,
    Overdue,
    Expired,
    Rejected,
    RejectedOther,
    HandedOut,
    Told,
    Waits,
    GaveUp,
    Slept,
    WallSetForward,
    WallSetBack,
    Revoked,
    Closed,
    Freed,
    Forked,
    Other,
}

const FETCHINGS: usize = 4;
const MARKS: usize = Mark::Other as usize;
const MARK_NAMES: [&str; MARKS] = [
    "a fetch begins",
    "no thread starts",
    "a request is sent",
    "a pause was too long for another request",
    "a token is granted",
    "the same token is granted",
    "a token past its limit is granted",
    "a request fails, not the last",
    "a fetch fails",
    "a request is overdue",
    "the token expires",
    "the token is rejected",
    "something else is rejected",
    "the token is handed out",
    "a caller is told of a failure",
    "a caller waits",
    "a caller gives up",
    "the machine sleeps",
    "the wall clock is set forward",
    "the wall clock is set back",
    "all tokens are revoked",
    "a caller is told that the cache is closed",
    "the cache is freed",
    "the process forks",
];

/// The states, and for each mark in turn whether it is reached there: `x` by some seed of every test run, `-` so rarely
/// that only a longer run may see it, `.` never. A token is withdrawn without a fetch only between two steps of one
/// event. Who is told that its cache was closed may meet any state of the next one.
const TABLE: [(&str, &str); 16] = [
    ("no token, idle", "x...........x....xxxxxxx"),
    ("no token, failing", "x...........x.x..xxxx-xx"),
    ("no token, a fetch in flight", ".xxxx.xxxx..x..xxxxxxxxx"),
    ("no token, an overdue request", ".xxxx.x.x...x.x..xxxx-xx"),
    ("a good token, idle", "x.........xxxx...xxxx-xx"),
    ("a good token, failing", "x.........xxxx...xxxx-xx"),
    ("a good token, a fetch in flight", ".xxxxxxxxxxxxx...xxxx-xx"),
    ("a good token, an overdue request", ".-xxx---x.xxxx...xxxx-x-"),
    ("a withdrawn token, idle", "x...............-xxx.-.."),
    ("a withdrawn token, failing", "x...............----.-.."),
    ("a withdrawn token, a fetch in flight", ".xxxxxxxxxxxx..xxxxxx-xx"),
    ("a withdrawn token, an overdue request", "...-.................-.."),
    ("a rejected token handed out, idle", "x.........xxxx...xxxx-xx"),
    ("a rejected token handed out, failing", "x.........xxxx...xxxx-xx"),
    ("a rejected token handed out, a fetch in flight", ".xxxxxxxxxxxxx...xxxx-xx"),
    ("a rejected token handed out, an overdue request", ".xxxxxx.x.xxxx...xxxx-xx"),
];

impl Mark {
    pub(crate) fn of(step: &Step) -> Self {
        match step {
            Step::Began => Self::Began,
            Step::CannotBegin => Self::CannotBegin,
            Step::Sent { .. } => Self::Sent,
            Step::TooLate { .. } => Self::TooLate,
            Step::Granted { .. } => Self::Granted,
            Step::Failed { again: Some(_), .. } => Self::FailedOnce,
            Step::Failed { again: None, .. } => Self::FailedFetch,
            Step::Rejected { is_current: true, .. } => Self::Rejected,
            Step::Rejected { is_current: false, .. } => Self::RejectedOther,
            Step::Read { .. } | Step::HandedOut { .. } => Self::HandedOut,
            Step::Told { .. } => Self::Told,
            Step::Waits { .. } => Self::Waits,
            Step::GaveUp { .. } => Self::GaveUp,
            Step::Slept(_) => Self::Slept,
            Step::WallSetForward(_) => Self::WallSetForward,
            Step::WallSetBack(_) => Self::WallSetBack,
            Step::Revoked => Self::Revoked,
            Step::Closed { .. } => Self::Closed,
            Step::Freed => Self::Freed,
            Step::Forked => Self::Forked,
            Step::Mood(_) | Step::Asked { .. } | Step::Called { .. } => Self::Other,
            Step::Looked(_) | Step::LookedIn { .. } => Self::Other,
        }
    }
}

/// How often a mark was reached in a state, and a request answered in a mood.
#[derive(Default)]
pub(crate) struct Coverage {
    steps: [[u64; MARKS + 1]; TABLE.len()],
    answers: [u64; MOODS.len()],
}

impl Coverage {
    pub(crate) fn reach(&mut self, state: State, mark: Mark) {
        self.steps[state.token as usize * FETCHINGS + state.fetching as usize][mark as usize] += 1;
    }

    pub(crate) fn answered(&mut self, mood: Mood) {
        self.answers[mood as usize] += 1;
    }

    /// Where the table is wrong, a line each.
    pub(crate) fn wrong(&self) -> String {
        let mut wrong = String::new();
        for ((state, expected), row) in TABLE.iter().zip(&self.steps) {
            for ((expected, reached), mark) in expected.chars().zip(row).zip(MARK_NAMES) {
                match expected {
                    'x' if *reached == 0 => wrong += &format!("  no seed reached: {state}: {mark}\n"),
                    '.' if *reached > 0 => wrong += &format!("  thought impossible: {state}: {mark}\n"),
                    _ => {}
                }
            }
        }
        for (mood, answers) in MOODS.iter().zip(self.answers) {
            if answers == 0 {
                wrong += &format!("  no seed reached: a server that is {mood:?}\n");
            }
        }
        wrong
    }
}

impl Reached for Coverage {
    fn add(&mut self, other: &Self) {
        let sums = self.steps.as_flattened_mut().iter_mut().chain(&mut self.answers);
        for (sum, more) in sums.zip(other.steps.as_flattened().iter().chain(&other.answers)) {
            *sum += more;
        }
    }
}

#[test]
fn the_table_sees_what_is_missing_and_what_should_not_be() {
    let lines = |coverage: &Coverage| coverage.wrong().lines().count();
    let mut coverage = Coverage::default();
    let must = TABLE.iter().flat_map(|(_, marks)| marks.chars()).filter(|mark| *mark == 'x').count();
    assert_eq!(lines(&coverage), must + MOODS.len());
    coverage.reach(State { token: Token::None, fetching: Fetching::Idle }, Mark::Began);
    coverage.answered(Mood::Slow);
    assert_eq!(lines(&coverage), must + MOODS.len() - 2);
    coverage.reach(State { token: Token::None, fetching: Fetching::Idle }, Mark::HandedOut);
    assert_eq!(lines(&coverage), must + MOODS.len() - 1);
}
