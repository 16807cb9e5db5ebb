//! Runs the mock server for a Rust test.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

pub(crate) struct MockServer {
    process: Child,
    pub(crate) url: String,
}

impl MockServer {
    /// The program that a plain `cargo test` builds in the same folder as this test.
    pub(crate) fn start() -> Self {
        let name = format!("bankhub-mock-server{}", env::consts::EXE_SUFFIX);
        let program = env::current_exe().expect("a path").parent().expect("deps").with_file_name(name);
        let started = Command::new(&program).stdout(Stdio::piped()).spawn();
        let mut process = started.unwrap_or_else(|error| {
            panic!("{}: {error}; run `cargo build -p bankhub-mock-server` first", program.display())
        });
        let mut url = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut url).expect("its address");
        Self { process, url: url.trim().to_owned() }
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}
