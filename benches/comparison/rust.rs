//! Asks the library for tokens at given times: reads a plan per line, and answers with how long each call took. With
//! `--idle` its calls do nothing, which shows how long the machine itself takes.

use std::error::Error;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use bankhub::TokenCache;

/// How long before the first call the threads are started, so that all of them are waiting by then.
const LEAD: Duration = Duration::from_millis(100);

/// How long after the end a thread still makes the calls it owes.
const OVERTIME: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let idle = std::env::args().any(|argument| argument == "--idle");
    let cache = TokenCache::from_env()?;
    let get = || idle || cache.get().is_ok();
    for line in io::stdin().lines() {
        let numbers = line?.split(' ').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let &[threads, apart, period, end] = &numbers[..] else { return Err("a line has four numbers".into()) };
        let [apart, period, end] = [apart, period, end].map(|count| Duration::from_secs_f64(count / 1e3));
        let plan = Plan { threads: threads as u32, apart, period, end };
        println!("{}", serde_json::to_string(&plan.run(&get))?);
    }
    Ok(())
}

/// When to call: thread number i at i times `apart`, and every `period` after that, until the end.
struct Plan {
    threads: u32,
    apart: Duration,
    period: Duration,
    end: Duration,
}

/// When it was due, how long it took, both in milliseconds, and whether it returned a token.
type Call = (f64, f64, bool);

impl Plan {
    /// The calls of each thread.
    fn run(&self, get: &(impl Fn() -> bool + Sync)) -> Vec<Vec<Call>> {
        let start = Instant::now() + LEAD;
        thread::scope(|scope| {
            let running: Vec<_> = (0..self.threads).map(|i| scope.spawn(move || self.calls(get, start, i))).collect();
            running.into_iter().map(|thread| thread.join().expect("a call does not panic")).collect()
        })
    }

    /// A call counts from when it was due: if it had to wait for the call before it, that counts, too. But it does not
    /// count from before the machine woke the thread, which may be late.
    fn calls(&self, get: &impl Fn() -> bool, start: Instant, number: u32) -> Vec<Call> {
        let mut calls = Vec::new();
        let mut awake = start;
        let mut after = self.apart * number;
        while after < self.end {
            let due = start + after;
            if let Some(early) = due.checked_duration_since(Instant::now()) {
                thread::sleep(early);
                awake = Instant::now();
            }
            let served = start.elapsed() < self.end + OVERTIME && get();
            calls.push((in_milliseconds(after), in_milliseconds(due.max(awake).elapsed()), served));
            after += self.period;
        }
        calls
    }
}

fn in_milliseconds(length: Duration) -> f64 {
    length.as_secs_f64() * 1e3
}
