//! The cost of handles while nobody calls: memory, threads and processor time, of one and of many with a token each.
//!
//! Prints tables. Ends with code 1 if that is more than promised. With `--tiny`: a few handles, for a test.

use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use endpoint::Endpoint;

const MANY: usize = 10_000;
const MANY_MIB_MAX: f64 = 100.0;

fn main() -> io::Result<ExitCode> {
    let tiny = std::env::args().skip(1).any(|argument| argument == "--tiny");
    let endpoint = Endpoint::start(Duration::ZERO, Duration::from_secs(60_000))?;
    let (mut handles, mut states) = (Vec::new(), vec![("no handle".to_owned(), State::now()?)]);
    let mut opened = Vec::new();
    for count in [1, if tiny { 100 } else { MANY }] {
        while handles.len() < count {
            let begun = Instant::now();
            let cache = endpoint.cache();
            opened.push(begun.elapsed());
            cache.get().expect("the endpoint answers");
            handles.push(cache);
        }
        states.push((format!("{count} with a token"), State::now()?));
    }

    println!("| handles | resident memory | threads of the library | processor time in an idle second |");
    println!("|---|--:|--:|--:|");
    for (name, State { resident_mib, threads, busy }) in &states {
        println!("| {name} | {resident_mib:.1} MiB | {threads} | {busy:?} |");
    }
    let first = opened.remove(0);
    opened.sort();
    println!("\n| a new handle | time |\n|---|--:|");
    println!("| the first of a process, which reads the platform's roots | {first:.1?} |");
    println!("| any other, the median | {:.1?} |", opened[opened.len() / 2]);
    let State { resident_mib, threads, .. } = states[2].1;
    let count = handles.len();
    let bounds = [
        (
            format!("memory of {count} handles: {resident_mib:.1} MiB, promised at most {MANY_MIB_MAX} MiB"),
            resident_mib > MANY_MIB_MAX,
        ),
        (format!("threads of {count} handles: {threads}, promised none"), threads > 0),
    ];
    for (text, missed) in &bounds {
        eprintln!("{}{text}", if *missed { "missed: " } else { "" }); // as in bounds.py
    }
    Ok(if bounds.iter().any(|(_, missed)| *missed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct State {
    resident_mib: f64,
    threads: usize,
    busy: Duration,
}

impl State {
    /// Once all fetches have ended.
    fn now() -> io::Result<Self> {
        thread::sleep(Duration::from_millis(200));
        let before = processor_time()?;
        thread::sleep(Duration::from_secs(1));
        let busy = processor_time()? - before;
        let status = fs::read_to_string("/proc/self/status")?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the system names it");
            line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<usize>().expect("it is a number")
        };
        // The other two threads are this one and the endpoint's.
        Ok(Self { resident_mib: number("VmRSS") as f64 / 1024.0, threads: number("Threads") - 2, busy })
    }
}

/// The processor time of this process so far, to the nanosecond.
fn processor_time() -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).expect("it is a number");
    }
    Ok(Duration::from_nanos(nanoseconds))
}
