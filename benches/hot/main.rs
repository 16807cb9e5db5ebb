//! Measures on demand what a call costs while there is a token, for `hot.py`, which judges it: `ways.py` says how they
//! speak.

mod baselines;

use std::error::Error;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use baselines::Reader;
use endpoint::Endpoint;

/// The cost of a call of each reader in a slice, in nanoseconds.
type Costs = Vec<f64>;

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = Endpoint::start(Duration::ZERO, Duration::from_secs(60_000))?;
    let library = env::current_exe()?.with_file_name("libbankhub.so");
    let folder = env::temp_dir().join(format!("bankhub-hot-{}", process::id()));
    let store = format!("file:{}", folder.display());
    let [generation, get, get_with_store] = baselines::shared_library(&library, &endpoint, &store)?;
    fs::remove_dir_all(folder)?; // the library does not ask the store again
    let [rust_get, rust_generation] = baselines::rust(Box::leak(Box::new(endpoint.cache())));
    rust_get(1);
    let (names, readers): (Vec<_>, Vec<_>) = [
        ("limit: both coarse clocks", baselines::clocks()),
        ("limit: both coarse clocks and a copy", baselines::clocks_and_copy()),
        ("`bankhub_token_generation`, C", generation),
        ("`bankhub_token_get`, C", get),
        ("`bankhub_token_get`, C, with a store", get_with_store),
        ("`TokenCache::generation`, Rust", rust_generation),
        ("`TokenCache::get`, Rust", rust_get),
        ("`ArcSwap`, precise clock", baselines::arc_swap()),
        ("`parking_lot::RwLock`, precise clock", baselines::rw_lock()),
        ("`parking_lot::Mutex`, precise clock", baselines::mutex()),
    ]
    .into_iter()
    .unzip();
    println!("{}", serde_json::json!({ "ways": names }));
    for line in io::stdin().lines() {
        let numbers = line?.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        let [threads, slices, calls @ ..] = &numbers[..] else { return Err("a round has two numbers at least".into()) };
        println!("{}", serde_json::to_string(&round(&readers, *threads as usize, *slices as usize, calls))?);
    }
    Ok(())
}

/// In each slice, every thread calls one reader after the other, and all threads call the same one at the same time.
fn round(readers: &[Reader], threads: usize, slices: usize, calls: &[u64]) -> Vec<Costs> {
    let start = Barrier::new(threads);
    let read = || {
        let mut times = Vec::with_capacity(slices * readers.len());
        for slice in 0..slices {
            for place in 0..readers.len() {
                let reader = reader_at(place, slice, readers.len());
                start.wait();
                let begun = Instant::now();
                readers[reader](calls[reader]);
                times.push((begun, Instant::now()));
            }
        }
        times
    };
    let times: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(read)).collect();
        running.into_iter().map(|thread| thread.join().expect("no reader panics")).collect()
    });
    let mut costs = vec![vec![0.0; readers.len()]; slices];
    for (slice, costs) in costs.iter_mut().enumerate() {
        for place in 0..readers.len() {
            let reader = reader_at(place, slice, readers.len());
            let of_threads = times.iter().map(|times| times[slice * readers.len() + place]);
            costs[reader] = cost(of_threads, calls[reader]);
        }
    }
    costs
}

/// Every other slice is in reverse, so that no reader gains from its place.
fn reader_at(place: usize, slice: usize, count: usize) -> usize {
    if slice.is_multiple_of(2) { place } else { count - 1 - place }
}

/// The processor time that a call takes, whether the processor is busy or waits for a lock.
fn cost(times: impl ExactSizeIterator<Item = (Instant, Instant)> + Clone, calls: u64) -> f64 {
    let threads = times.len();
    let processors = thread::available_parallelism().map_or(1, usize::from).min(threads);
    let begun = times.clone().map(|(begun, _)| begun).min().expect("there are threads");
    let ended = times.map(|(_, ended)| ended).max().expect("there are threads");
    (ended - begun).as_nanos() as f64 * processors as f64 / (threads as f64 * calls as f64)
}
