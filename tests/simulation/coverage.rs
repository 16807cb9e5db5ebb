//! Which event was observed in which state. A cell that no seed reaches is not tested, and what the table calls
//! impossible must be impossible.

use crate::endpoint::{ENDPOINT_MODES, EndpointMode};
use crate::seeds::Merge;
use crate::trace_event::TraceEvent;

/// The newest token.
#[derive(Clone, Copy)]
pub(crate) enum TokenRow {
    None,
    Good,
    /// Rejected, and not served.
    Withdrawn,
    /// Rejected, and served because there is no better one.
    Rejected,
}

#[derive(Clone, Copy)]
pub(crate) enum FetchRow {
    Idle,
    /// The last fetch failed.
    Backoff,
    InFlight,
    Overdue,
}

#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) token: TokenRow,
    pub(crate) fetch: FetchRow,
}

/// The events: the columns of the table.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    FetchBegan,
    FetchDidNotStart,
    RequestBegan,
    RetryTooLate,
    TokenIssued,
    SameTokenIssued,
    StaleTokenIssued,
    RequestFailed,
    FetchFailed,
    Overdue,
    Expired,
    Rejected,
    OtherRejected,
    Served,
    CallFailed,
    Waits,
    DeadlineExceeded,
    Slept,
    WallSetForward,
    WallSetBack,
    Revoked,
    CallOfClosed,
    Closed,
    Forked,
    Other,
}

const FETCH_ROWS: usize = 4;
const COLUMNS: usize = Column::Other as usize;
const COLUMN_NAMES: [&str; COLUMNS] = [
    "a fetch begins",
    "no thread starts",
    "a request is sent",
    "the pause was too long for another request",
    "a token is issued",
    "the same token is issued",
    "a token is issued that is stale on arrival",
    "a request fails that is not the last one",
    "a fetch fails",
    "a request is overdue",
    "the token becomes stale",
    "the token is rejected",
    "something else is rejected",
    "the token is served",
    "a call fails",
    "a caller waits",
    "a caller's deadline is exceeded",
    "the machine sleeps",
    "the wall clock is set forward",
    "the wall clock is set back",
    "all tokens are revoked",
    "a caller finds its cache closed",
    "the cache is closed",
    "the process forks",
];

/// The states, and for each column in turn whether it is reached there: `x` by some seed of every run of the test, `-`
/// so rarely that only a longer run may see it, `.` never. While it is withdrawn in a backoff, an operation is not yet
/// complete. A caller who finds its cache closed may meet any state of the next one.
const TABLE: [(&str, &str); 16] = [
    ("no token, idle", "x...........x....xxxxxxx"),
    ("no token, in backoff", "x...........x.x..xxxx-xx"),
    ("no token, a fetch in flight", ".xxxx.xxxx..x..xxxxxxxxx"),
    ("no token, an overdue request", ".xxxx.x.x...x.x..xxxx-xx"),
    ("a good token, idle", "x.........xxxx...xxxx-xx"),
    ("a good token, in backoff", "x.........xxxx...xxxx-xx"),
    ("a good token, a fetch in flight", ".xxxxxxxxxxxxx...xxxx-xx"),
    ("a good token, an overdue request", ".-xxx---x.xxxx...xxxx-xx"),
    ("a withdrawn token, idle", "x.........xxx..xxxxxx-xx"),
    ("a withdrawn token, in backoff", "x......................."),
    ("a withdrawn token, a fetch in flight", ".xxxxxxxxxxxx..xxxxxx-xx"),
    ("a withdrawn token, an overdue request", "...-.................-.."),
    ("a rejected token is served, idle", "x.........xxxx...xxxx-xx"),
    ("a rejected token is served, in backoff", "x.........xxxx...xxxx-xx"),
    ("a rejected token is served, a fetch in flight", ".xxxxxxxxxxxxx...xxxx-xx"),
    ("a rejected token is served, an overdue request", ".xxxxxx.x.xxxx...xxxx-xx"),
];

impl Column {
    pub(crate) fn of(event: &TraceEvent) -> Self {
        match event {
            TraceEvent::FetchBegan => Self::FetchBegan,
            TraceEvent::FetchDidNotStart => Self::FetchDidNotStart,
            TraceEvent::RequestBegan => Self::RequestBegan,
            TraceEvent::RetryTooLate => Self::RetryTooLate,
            TraceEvent::TokenIssued { .. } => Self::TokenIssued,
            TraceEvent::RequestFailed { retry_pause: Some(_), .. } => Self::RequestFailed,
            TraceEvent::RequestFailed { retry_pause: None, .. } => Self::FetchFailed,
            TraceEvent::Invalidated { is_current: true, .. } => Self::Rejected,
            TraceEvent::Invalidated { is_current: false, .. } => Self::OtherRejected,
            TraceEvent::ReadPublished { .. } | TraceEvent::Served { .. } => Self::Served,
            TraceEvent::CallFailed { .. } => Self::CallFailed,
            TraceEvent::Waits { .. } => Self::Waits,
            TraceEvent::DeadlineExceeded { .. } => Self::DeadlineExceeded,
            TraceEvent::Slept(_) => Self::Slept,
            TraceEvent::WallSetForward(_) => Self::WallSetForward,
            TraceEvent::WallSetBack(_) => Self::WallSetBack,
            TraceEvent::Revoked => Self::Revoked,
            TraceEvent::CallOfClosed { .. } => Self::CallOfClosed,
            TraceEvent::Closed => Self::Closed,
            TraceEvent::Forked => Self::Forked,
            TraceEvent::Mode(_) | TraceEvent::Polled { .. } | TraceEvent::Called { .. } => Self::Other,
            TraceEvent::ReadStats(_) | TraceEvent::RefreshedIfDue { .. } => Self::Other,
        }
    }
}

/// How often each column was reached in each row, and how often the endpoint responded in each mode.
#[derive(Default)]
pub(crate) struct Coverage {
    cells: [[u64; COLUMNS + 1]; TABLE.len()],
    modes: [u64; ENDPOINT_MODES.len()],
}

impl Coverage {
    pub(crate) fn reach(&mut self, row: Row, column: Column) {
        self.cells[row.token as usize * FETCH_ROWS + row.fetch as usize][column as usize] += 1;
    }

    pub(crate) fn responded(&mut self, mode: EndpointMode) {
        self.modes[mode as usize] += 1;
    }

    /// Where the table is wrong, a line each.
    pub(crate) fn differences(&self) -> String {
        let mut differences = String::new();
        for ((state, expected), cells) in TABLE.iter().zip(&self.cells) {
            for ((expected, reached), event) in expected.chars().zip(cells).zip(COLUMN_NAMES) {
                match expected {
                    'x' if *reached == 0 => differences += &format!("  no seed reached: {state}: {event}\n"),
                    '.' if *reached > 0 => differences += &format!("  the table says never: {state}: {event}\n"),
                    _ => {}
                }
            }
        }
        for (mode, responses) in ENDPOINT_MODES.iter().zip(self.modes) {
            if responses == 0 {
                differences += &format!("  no seed reached: an endpoint that is {mode:?}\n");
            }
        }
        differences
    }
}

impl Merge for Coverage {
    fn merge(&mut self, other: &Self) {
        let sums = self.cells.as_flattened_mut().iter_mut().chain(&mut self.modes);
        for (sum, more) in sums.zip(other.cells.as_flattened().iter().chain(&other.modes)) {
            *sum += more;
        }
    }
}

#[test]
fn table_reports_missing_and_unexpected_cells() {
    let lines = |coverage: &Coverage| coverage.differences().lines().count();
    let mut coverage = Coverage::default();
    let required = TABLE.iter().flat_map(|(_, cells)| cells.chars()).filter(|cell| *cell == 'x').count();
    assert_eq!(lines(&coverage), required + ENDPOINT_MODES.len());
    coverage.reach(Row { token: TokenRow::None, fetch: FetchRow::Idle }, Column::FetchBegan);
    coverage.responded(EndpointMode::Slow);
    assert_eq!(lines(&coverage), required + ENDPOINT_MODES.len() - 2);
    coverage.reach(Row { token: TokenRow::None, fetch: FetchRow::Idle }, Column::Served);
    assert_eq!(lines(&coverage), required + ENDPOINT_MODES.len() - 1);
}
