//! Runs the mock server for a Rust test.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) struct MockServer {
    process: Child,
    pub(crate) url: String,
}

impl MockServer {
    pub(crate) fn start() -> Self {
        let program = program(&env::current_exe().expect("a path"));
        let started = Command::new(&program).stdout(Stdio::piped()).spawn();
        let mut process = started.unwrap_or_else(|error| {
            panic!("{}: {error}; run `cargo build -p bankhub-mock-server` first", program.display())
        });
        let mut url = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut url).expect("its address");
        Self { process, url: url.trim().to_owned() }
    }
}

/// The program that a plain `cargo test` builds: in the same folder as this test, or where that is build.build-dir of
/// cargo, in the target folder.
fn program(test: &Path) -> PathBuf {
    let name = format!("bankhub-mock-server{}", env::consts::EXE_SUFFIX);
    let profile = test.parent().and_then(Path::parent).expect("deps is in the folder of a profile");
    let beside = profile.join(&name);
    if beside.exists() {
        return beside;
    }
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(target);
    target.join(profile.file_name().expect("a profile has a name")).join(name)
}

#[test]
fn finds_the_mock_server_where_other_files_are_in_a_folder_of_their_own() {
    let found = program(Path::new("/build-dir/debug/deps/handles-0123456789abcdef"));
    assert_eq!(found.canonicalize().unwrap(), program(&env::current_exe().unwrap()).canonicalize().unwrap());
}

impl Drop for MockServer {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}
