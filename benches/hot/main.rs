//! What a call costs while there is a token, beside the least that it could cost and what else could keep a token, as a
//! table. Ends with 1 if a call costs more than promised.
//!
//! With `--tiny`: too few calls to say anything, for a test.

mod keepers;

use std::error::Error;
use std::process::{self, ExitCode};
use std::sync::Barrier;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use endpoint::Endpoint;
use keepers::Reader;

const THREADS: [usize; 3] = [1, 2, 8];
const ROUNDS: usize = 31;
const READERS: usize = 10;

/// What a call costs in nanoseconds, on as many threads as `THREADS` says.
type Costs = [f64; THREADS.len()];
type Round = [Costs; READERS];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let tiny = env::args().skip(1).any(|argument| argument == "--tiny");
    let endpoint = Endpoint::start(Duration::ZERO, Duration::from_secs(60_000))?;
    let library = env::current_exe()?.with_file_name("libbankhub.so");
    let folder = env::temp_dir().join(format!("bankhub-hot-{}", process::id()));
    let store = format!("file:{}", folder.display());
    let [generation, get, shared] = keepers::shared_library(&library, &endpoint, &store)?;
    let [rust_get, rust_generation] = keepers::rust(Box::leak(Box::new(endpoint.cache())));
    rust_get(1);
    let readers = [
        ("limit: both coarse clocks", keepers::clocks()),
        ("limit: both coarse clocks and a copy", keepers::clocks_and_copy()),
        ("`bankhub_token_generation`, C", generation),
        ("`bankhub_token_get`, C", get),
        ("`bankhub_token_get`, C, with a store", shared),
        ("`TokenCache::generation`, Rust", rust_generation),
        ("`TokenCache::get`, Rust", rust_get),
        ("`ArcSwap`, precise clock", keepers::arc_swap()),
        ("`parking_lot::RwLock`, precise clock", keepers::rw_lock()),
        ("`parking_lot::Mutex`, precise clock", keepers::mutex()),
    ];
    let rounds = measure(&readers, if tiny { 100 } else { 200_000 });
    fs::remove_dir_all(folder)?;
    println!("| ns a call, of so many threads | {} |", THREADS.map(|threads| threads.to_string()).join(" | "));
    println!("|---|--:|--:|--:|");
    for (reader, (name, _)) in readers.iter().enumerate() {
        let costs: Costs = std::array::from_fn(|threads| median(&rounds, |round| round[reader][threads]));
        println!("| {name} | {} |", costs.map(|cost| format!("{cost:.1}")).join(" | "));
    }
    Ok(if tiny || keeps_promises(&rounds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The readers take turns, so that whatever else the machine does meets all of them.
fn measure(readers: &[(&str, Reader); READERS], calls: u64) -> Vec<Round> {
    let mut rounds = vec![[[0.0; THREADS.len()]; READERS]; ROUNDS];
    for round in &mut rounds {
        for (index, threads) in THREADS.into_iter().enumerate() {
            for ((_, reader), costs) in readers.iter().zip(&mut *round) {
                costs[index] = cost(reader, threads, calls);
            }
        }
    }
    rounds
}

fn median(rounds: &[Round], number: impl Fn(&Round) -> f64) -> f64 {
    let mut numbers: Vec<_> = rounds.iter().map(number).collect();
    numbers.sort_by(f64::total_cmp);
    numbers[ROUNDS / 2]
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

/// Of what was measured within a round: in the next, the machine may be busier.
fn keeps_promises(rounds: &[Round]) -> bool {
    let share = |costs: &Costs| costs[1] / costs[0];
    let promises = [
        ("bankhub_token_get over the limit", median(rounds, |[_, limit, _, get, ..]| get[0] / limit[0]), 1.6),
        (
            "bankhub_token_generation over both clocks",
            median(rounds, |[clocks, _, generation, ..]| generation[0] / clocks[0]),
            1.3,
        ),
        (
            "bankhub_token_get, two threads over one, over the limit's",
            median(rounds, |[_, limit, _, get, ..]| share(get) / share(limit)),
            1.15,
        ),
        (
            "bankhub_token_get, with a store over without",
            median(rounds, |[_, _, _, get, shared, ..]| shared[0] / get[0]),
            1.05,
        ),
    ];
    for (what, ratio, most) in promises {
        eprintln!("{what}: {ratio:.2}, promised {most}{}", if ratio > most { ": MISSED" } else { "" });
    }
    promises.iter().all(|(_, ratio, most)| ratio <= most)
}
