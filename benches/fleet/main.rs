//! Tables of the requests that many processes send in years, simulated with the library's own state and fetches.
//!
//! With `--shared`: of processes that share a store, compared with processes that do not. With `--tiny`: a week of few
//! processes, for a test.

mod fleet;
mod process;
mod shared_store;
mod store;
mod unshared;

use std::thread;
use std::time::Duration;

use fleet::{Counts, Fleet};
use unshared::Unshared;

const DAY: Duration = Duration::from_secs(24 * 3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The ttl that the API documents, and shorter ones, which would put more load on it.
const TTLS_S: [u64; 3] = [60_000, 600, 10];
/// Each with the time that is simulated. At each refresh all processes that share a store read it, so a year of 10,000
/// processes with a short ttl would take hours.
const SHARED: [(u64, Duration); 2] = [(60_000, YEAR), (600, MONTH)];

fn main() {
    let has_option = |option: &str| std::env::args().skip(1).any(|argument| argument == option);
    let tiny = has_option("--tiny");
    if has_option("--shared") {
        return shared(if tiny { [1, 20] } else { [100, 10_000] }, if tiny { WEEK } else { YEAR });
    }
    fleets(if tiny { &[1, 20] } else { &[1, 100, 10_000] }, if tiny { WEEK } else { YEAR });
    println!();
    unshared(if tiny { &[1, 2] } else { &[1, 2, 100] });
}

fn fleets(sizes: &[u64], duration: Duration) {
    println!("| ttl | processes | jitter | requests | cold start | usual | revocation | outage | after outage |");
    println!("|--:|--:|---|--:|--:|--:|--:|--:|--:|");
    for ttl in TTLS_S.map(Duration::from_secs) {
        for &processes in sizes {
            for has_jitter in [true, false] {
                row(&Fleet { processes, ttl, has_jitter, duration });
            }
        }
    }
}

fn row(fleet: &Fleet) {
    let counts = fleet.simulate();
    let Fleet { ttl, processes, .. } = fleet;
    println!("| {ttl:?} | {processes} | {} | {} | {} |", yes_or_no(fleet.has_jitter), counts.total, peaks(&counts));
}

/// On a thread for each ttl, as processes that share a store are simulated on one core.
fn shared(sizes: [u64; 2], longest: Duration) {
    println!(
        "| ttl | days | processes | store | requests | during outage | cold start | usual | revocation | outage | \
         after outage | store reads: cold start | store reads: usual | store reads: outage |"
    );
    println!("|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let rows = |(ttl, duration): (u64, Duration)| {
        let (ttl, duration) = (Duration::from_secs(ttl), duration.min(longest));
        let fleets = sizes.map(|processes| Fleet { processes, ttl, has_jitter: true, duration });
        fleets.map(|fleet| shared_row(&fleet, false) + &shared_row(&fleet, true)).concat()
    };
    thread::scope(|scope| {
        let threads = SHARED.map(|of| scope.spawn(move || rows(of)));
        threads.into_iter().for_each(|thread| print!("{}", thread.join().expect("its message was printed")));
    });
}

fn shared_row(fleet: &Fleet, has_store: bool) -> String {
    let (requests, reads) = if has_store { fleet.simulate_with_store() } else { (fleet.simulate(), Counts::default()) };
    let (Fleet { ttl, processes, .. }, Counts { total, during_outage, .. }) = (fleet, &requests);
    let (store, peaks) = (yes_or_no(has_store), peaks(&requests));
    let Counts { cold_start, usual, outage, .. } = reads;
    let days = fleet.duration.as_secs() / DAY.as_secs();
    format!(
        "| {ttl:?} | {days} | {processes} | {store} | {total} | {during_outage} | {peaks} | {cold_start} | {usual} | \
         {outage} |\n"
    )
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

fn peaks(counts: &Counts) -> String {
    let Counts { cold_start, usual, revocation, outage, after_outage, .. } = counts;
    format!("{cold_start} | {usual} | {revocation} | {outage} | {after_outage}")
}

fn unshared(sizes: &[usize]) {
    println!("| processes | token requests per hour | calls answered 401 | calls that failed, even after a retry |");
    println!("|--:|--:|--:|--:|");
    for &processes in sizes {
        let calls = Unshared { processes, ttl: Duration::from_secs(TTLS_S[0]), duration: DAY }.simulate();
        let percent = |part: u64| 100.0 * part as f64 / calls.total as f64;
        let per_hour = calls.token_requests as f64 / 24.0;
        let (rejected, failed) = (percent(calls.rejected), percent(calls.failed));
        println!("| {processes} | {per_hour:.0} | {rejected:.1} % | {failed:.1} % |");
    }
}
