//! What a call costs while there is a token, beside the least that it could cost and what else could keep a token, as a
//! table. Ends with 1 if a call costs more than promised.
//!
//! With `--tiny`: too few calls to say anything, for a test.

mod keepers;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use endpoint::Endpoint;
use keepers::Reader;

const THREADS: [usize; 3] = [1, 2, 8];
const ROUNDS: usize = 31;

/// The median cost of a call in nanoseconds, on as many threads as `THREADS` says.
type Costs = [f64; THREADS.len()];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let tiny = std::env::args().skip(1).any(|argument| argument == "--tiny");
    let endpoint = Endpoint::start(Duration::ZERO, Duration::from_secs(60_000))?;
    let library = std::env::current_exe()?.with_file_name("libbankhub.so");
    let [get, generation] = keepers::shared_library(&library, &endpoint)?;
    let [rust_get, rust_generation] = keepers::rust(Box::leak(Box::new(endpoint.cache())));
    rust_get(1);
    let readers = [
        ("limit: both coarse clocks", keepers::clocks()),
        ("limit: both coarse clocks and a copy", keepers::clocks_and_copy()),
        ("`bankhub_token_generation`, C", generation),
        ("`bankhub_token_get`, C", get),
        ("`TokenCache::generation`, Rust", rust_generation),
        ("`TokenCache::get`, Rust", rust_get),
        ("`ArcSwap`, precise clock", keepers::arc_swap()),
        ("`parking_lot::RwLock`, precise clock", keepers::rw_lock()),
        ("`parking_lot::Mutex`, precise clock", keepers::mutex()),
    ];
    let costs = measure(&readers.each_ref().map(|(_, reader)| reader), if tiny { 100 } else { 200_000 });
    println!("| ns a call, of so many threads | {} |", THREADS.map(|threads| threads.to_string()).join(" | "));
    println!("|---|--:|--:|--:|");
    for ((name, _), costs) in readers.iter().zip(&costs) {
        println!("| {name} | {} |", costs.map(|cost| format!("{cost:.1}")).join(" | "));
    }
    let [clocks, limit, generation, get, ..] = costs;
    Ok(if tiny || keeps_promises(clocks, limit, generation, get) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The readers take turns, so that whatever else the machine does meets all of them.
fn measure<const N: usize>(readers: &[&Reader; N], calls: u64) -> [Costs; N] {
    let mut rounds = vec![[[0.0; THREADS.len()]; N]; ROUNDS];
    for round in &mut rounds {
        for (reader, costs) in readers.iter().zip(round) {
            *costs = THREADS.map(|threads| cost(reader, threads, calls));
        }
    }
    let median = |reader: usize, threads: usize| {
        let mut costs: Vec<_> = rounds.iter().map(|round| round[reader][threads]).collect();
        costs.sort_by(f64::total_cmp);
        costs[ROUNDS / 2]
    };
    std::array::from_fn(|reader| std::array::from_fn(|threads| median(reader, threads)))
}

/// Of one call: the time of a processor that it keeps busy or idle.
fn cost(reader: &Reader, threads: usize, calls: u64) -> f64 {
    let processors = thread::available_parallelism().map_or(1, usize::from).min(threads);
    let start = Barrier::new(threads);
    let read = || {
        start.wait();
        let begun = Instant::now();
        reader(calls);
        (begun, Instant::now())
    };
    let times: Vec<_> = thread::scope(|scope| {
        let readers: Vec<_> = (0..threads).map(|_| scope.spawn(read)).collect();
        readers.into_iter().map(|reader| reader.join().expect("no reader panics")).collect()
    });
    let begun = times.iter().map(|(begun, _)| *begun).min().expect("there are threads");
    let ended = times.iter().map(|(_, ended)| *ended).max().expect("there are threads");
    (ended - begun).as_nanos() as f64 * processors as f64 / (threads as f64 * calls as f64)
}

fn keeps_promises(clocks: Costs, limit: Costs, generation: Costs, get: Costs) -> bool {
    let share = |costs: Costs| costs[1] / costs[0];
    let promises = [
        ("bankhub_token_get over the limit", get[0] / limit[0], 1.6),
        ("bankhub_token_generation over both clocks", generation[0] / clocks[0], 1.3),
        ("bankhub_token_get, two threads over one, over the limit's", share(get) / share(limit), 1.15),
    ];
    for (what, ratio, most) in promises {
        eprintln!("{what}: {ratio:.2}, promised {most}{}", if ratio > most { ": MISSED" } else { "" });
    }
    promises.iter().all(|(_, ratio, most)| ratio <= most)
}
