//! How long callers wait, once the answer is there and through renewals, as a table. Ends with 1 if that is longer than
//! promised.
//!
//! With `--tiny`: too few waits to say anything, for a test.

use std::hint::spin_loop;
use std::io;
use std::process::ExitCode;
use std::sync::{Barrier, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use endpoint::Endpoint;

const WAITERS: usize = 64;

/// From the answer to the last of them.
const WAKE_MAX: Duration = Duration::from_millis(2);

/// What renewals may add to the slowest but one of 10,000 calls.
const RENEWAL_MAX: Duration = Duration::from_micros(200);

/// The shortest that the API can grant: it is renewed about twice a second.
const TTL: Duration = Duration::from_secs(1);
const LOOP: Duration = Duration::from_secs(2);
const CALL_EVERY: Duration = Duration::from_micros(20);

fn main() -> io::Result<ExitCode> {
    let tiny = std::env::args().skip(1).any(|argument| argument == "--tiny");
    let (rounds, loops) = if tiny { (3, 1) } else { (51, 11) };
    let woken = sorted((0..rounds).map(|_| wake_all_with_an_answer()).collect::<io::Result<_>>()?);
    let bare = sorted((0..rounds).map(|_| wake_all_with_a_condvar()).collect());
    let (mut renewed, mut quiet, mut renewals) = (Vec::new(), Vec::new(), 0);
    for _ in 0..loops {
        // In turns, so that whatever else the machine does meets both.
        let calls = call_steadily(TTL)?;
        renewals += calls.requests - 1;
        renewed.push(calls.times);
        quiet.push(call_steadily(Duration::from_secs(60_000))?.times);
    }

    println!("| | median | p99.99 | worst |\n|---|--:|--:|--:|");
    let wakes = |name: &str, times: &[Duration]| {
        println!("| {name} | {:.1?} | | {:.1?} |", at(times, 0.5), at(times, 1.0));
    };
    wakes(&format!("{WAITERS} callers have the token after the endpoint began its answer"), &woken);
    wakes(&format!("{WAITERS} threads wake from a bare `Condvar`"), &bare);
    // The median of the loops, which a single hiccup of the machine does not move.
    let of_loops =
        |loops: &[Vec<Duration>], share| at(&sorted(loops.iter().map(|times| at(times, share)).collect()), 0.5);
    let calls = |name: &str, loops: &[Vec<Duration>]| {
        let [median, most, worst] = [0.5, 0.9999, 1.0].map(|share| of_loops(loops, share));
        println!("| {name} | {median:.0?} | {most:.1?} | {worst:.1?} |");
    };
    calls(&format!("a call each {CALL_EVERY:?}, counted from when it was due, through {renewals} renewals"), &renewed);
    calls("the same without a renewal", &quiet);

    let added = of_loops(&renewed, 0.9999).saturating_sub(of_loops(&quiet, 0.9999));
    let promises = [("the last of all waiters", at(&woken, 0.5), WAKE_MAX), ("p99.99 by renewals", added, RENEWAL_MAX)];
    for (what, time, most) in promises {
        eprintln!("{what}: {time:?}, promised {most:?}{}", if time > most { ": MISSED" } else { "" });
    }
    let kept = promises.iter().all(|(_, time, most)| time <= most);
    Ok(if tiny || kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// From the answer until the last of many callers on an empty cache has its token.
fn wake_all_with_an_answer() -> io::Result<Duration> {
    let endpoint = Endpoint::start(Duration::from_millis(100), Duration::from_secs(60_000))?;
    let cache = endpoint.cache();
    let ended = last_of_all(|| drop(cache.get().expect("the endpoint answers")), || ());
    Ok(ended - endpoint.answered()[0])
}

/// The least that waking takes: from the notification until the last of as many threads has woken.
fn wake_all_with_a_condvar() -> Duration {
    let state = (Mutex::new(false), Condvar::new());
    let wait = || drop(state.1.wait_while(state.0.lock().expect("nobody panics"), |awake| !*awake));
    let mut begun = Instant::now();
    let ended = last_of_all(wait, || {
        thread::sleep(Duration::from_millis(100));
        begun = Instant::now();
        *state.0.lock().expect("nobody panics") = true;
        state.1.notify_all();
    });
    ended - begun
}

/// When the last of all threads that wait had ended.
fn last_of_all(wait: impl Fn() + Sync, meanwhile: impl FnOnce()) -> Instant {
    let start = Barrier::new(WAITERS + 1);
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..WAITERS)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    wait();
                    Instant::now()
                })
            })
            .collect();
        start.wait();
        meanwhile();
        waiting.into_iter().map(|thread| thread.join().expect("no waiter panics")).max().expect("there are waiters")
    })
}

struct Calls {
    /// How long each took, sorted.
    times: Vec<Duration>,
    requests: usize,
}

/// Calls at a steady pace, so that a renewal meets as many calls as it would in a busy program.
fn call_steadily(ttl: Duration) -> io::Result<Calls> {
    let endpoint = Endpoint::start(Duration::from_millis(5), ttl)?;
    let cache = endpoint.cache();
    cache.get().expect("the endpoint answers");
    let begun = Instant::now();
    let calls = LOOP.div_duration_f64(CALL_EVERY) as u32;
    let times = (0..calls).map(|call| {
        let due = begun + CALL_EVERY * call;
        while Instant::now() < due {
            spin_loop();
        }
        cache.get_within(Duration::ZERO).expect("a live token is handed out");
        due.elapsed()
    });
    Ok(Calls { times: sorted(times.collect()), requests: endpoint.answered().len() })
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort();
    times
}

fn at(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}
