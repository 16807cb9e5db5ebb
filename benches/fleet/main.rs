//! What the endpoint sees of many processes: years of the very code of `src/life.rs` and `src/policy.rs`, as tables.
//!
//! With `--tiny`: a week of few processes, for a test.

#[allow(dead_code, unreachable_pub, reason = "the library exports it; a life needs only some of it")]
#[path = "../../src/error.rs"]
mod error;
#[allow(dead_code, unreachable_pub, reason = "the library exports its statistics; a fleet asks for none")]
#[path = "../../src/life.rs"]
mod life;
#[allow(dead_code, reason = "the endpoint cuts a ttl; there is no store")]
#[path = "../../src/policy.rs"]
mod policy;
#[path = "../../src/secret.rs"]
mod secret;

mod fleet;
mod process;
mod rivals;

use std::time::Duration;

use fleet::Fleet;
use rivals::Rivals;

const DAY: Duration = Duration::from_secs(24 * 3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What the API grants, and what would be hard on it.
const TTLS_S: [u64; 3] = [60_000, 600, 10];

fn main() {
    let tiny = std::env::args().skip(1).any(|argument| argument == "--tiny");
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
    println!(
        "| {:?} | {} | {} | {} | {} | {} | {} | {} | {} |",
        fleet.ttl,
        fleet.processes,
        if fleet.jitter { "yes" } else { "no" },
        seen.total,
        seen.cold_start,
        seen.usual,
        seen.revocation,
        seen.outage,
        seen.after_outage,
    );
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
