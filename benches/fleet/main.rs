//! What the endpoint sees of many processes: years of the very code of `src/life.rs`, `src/policy.rs` and `src/turn.rs`
//! as tables.
//!
//! With `--shared`: of processes that share a store, beside others. With `--tiny`: a week of few, for a test.

#[allow(dead_code, unreachable_pub, reason = "the library exports it; a life needs only some of it")]
#[path = "../../src/error.rs"]
mod error;
#[allow(dead_code, unreachable_pub, reason = "the library exports its statistics; a fleet asks for none")]
#[path = "../../src/life.rs"]
mod life;
#[allow(dead_code, reason = "the endpoint cuts a ttl; there is no file of another machine")]
#[path = "../../src/policy.rs"]
mod policy;
#[path = "../../src/secret.rs"]
mod secret;
#[path = "../../src/turn.rs"]
mod turn;

mod fleet;
mod process;
mod rivals;
mod sharers;
mod store;

use std::thread;
use std::time::Duration;

use fleet::{Fleet, Seen};
use rivals::Rivals;

const DAY: Duration = Duration::from_secs(24 * 3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What the API grants, and what would be hard on it.
const TTLS_S: [u64; 3] = [60_000, 600, 10];
/// A year of 10,000 processes that share tokens of 10 s would take hours.
const SHARED_TTLS_S: [u64; 2] = [60_000, 600];

fn main() {
    let told = |option: &str| std::env::args().skip(1).any(|argument| argument == option);
    let tiny = told("--tiny");
    if told("--shared") {
        return shared(if tiny { [1, 20] } else { [100, 10_000] }, if tiny { WEEK } else { YEAR });
    }
    fleets(if tiny { &[1, 20] } else { &[1, 100, 10_000] }, if tiny { WEEK } else { YEAR });
    println!();
    rivals(if tiny { &[1, 2] } else { &[1, 2, 100] });
}

fn fleets(sizes: &[u64], lives: Duration) {
    println!("| ttl | processes | jitter | requests in all | cold start | usual | revocation | outage | after it |");
    println!("|--:|--:|---|--:|--:|--:|--:|--:|--:|");
    for ttl in TTLS_S.map(Duration::from_secs) {
        for &processes in sizes {
            for jitter in [true, false] {
                row(&Fleet { processes, ttl, jitter, lives });
            }
        }
    }
}

fn row(fleet: &Fleet) {
    let seen = fleet.live();
    let Fleet { ttl, processes, .. } = fleet;
    println!("| {ttl:?} | {processes} | {} | {} | {} |", yes_or_no(fleet.jitter), seen.total, peaks(&seen));
}

/// A thread for each ttl, as those who share a store take one core.
fn shared(sizes: [u64; 2], lives: Duration) {
    println!(
        "| ttl | processes | store | requests in all | of those in the outage | cold start | usual | revocation | \
         outage | after it | looks: cold start | looks: outage |"
    );
    println!("|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let rows = |ttl| {
        let fleets = sizes.map(|processes| Fleet { processes, ttl, jitter: true, lives });
        fleets.map(|fleet| shared_row(&fleet, false) + &shared_row(&fleet, true)).concat()
    };
    thread::scope(|scope| {
        let threads = SHARED_TTLS_S.map(|ttl| scope.spawn(move || rows(Duration::from_secs(ttl))));
        threads.into_iter().for_each(|thread| print!("{}", thread.join().expect("its message was printed")));
    });
}

fn shared_row(fleet: &Fleet, store: bool) -> String {
    let (requests, looks) = if store { fleet.live_sharing() } else { (fleet.live(), Seen::default()) };
    let (Fleet { ttl, processes, .. }, Seen { total, while_down, .. }) = (fleet, &requests);
    let (store, peaks) = (yes_or_no(store), peaks(&requests));
    let Seen { cold_start, outage, .. } = looks;
    format!("| {ttl:?} | {processes} | {store} | {total} | {while_down} | {peaks} | {cold_start} | {outage} |\n")
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

fn peaks(seen: &Seen) -> String {
    let Seen { cold_start, usual, revocation, outage, after_outage, .. } = seen;
    format!("{cold_start} | {usual} | {revocation} | {outage} | {after_outage}")
}

fn rivals(sizes: &[usize]) {
    println!("| processes | token requests an hour | calls answered 401 | calls lost, even after a second try |");
    println!("|--:|--:|--:|--:|");
    for &processes in sizes {
        let rivals = Rivals { processes, ttl: Duration::from_secs(TTLS_S[0]), lives: DAY };
        let calls = rivals.live();
        let percent = |part: u64| 100.0 * part as f64 / calls.calls as f64;
        let an_hour = calls.token_requests as f64 / 24.0;
        let (rejected, lost) = (percent(calls.rejected), percent(calls.lost));
        println!("| {processes} | {an_hour:.0} | {rejected:.1} % | {lost:.1} % |");
    }
}
