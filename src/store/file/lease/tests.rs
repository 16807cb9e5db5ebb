//! The lease of a store in a directory, between sessions of one process. A session that does nothing is a process that
//! is stopped; one whose lock ends without a release was killed.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::store::BackendSession;
use crate::store::file::private::prepare_directory;
use crate::store::sealed::{hexadecimal, random};

const SECOND: Duration = Duration::from_secs(1);
const NOW: bankhub_core::Timestamp = bankhub_core::Timestamp { boottime: Instant::MAX, realtime: Duration::ZERO };

/// A directory for one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("bankhub-{}", hexadecimal(&random::<8>().unwrap()))))
    }

    fn session(&self) -> FileSession {
        let store = FileStore::new(self.0.to_str().unwrap(), "name").unwrap();
        prepare_directory(&store.directory).unwrap();
        FileSession::new(Arc::new(store)).unwrap()
    }

    /// The ends of the files' names.
    fn ends(&self) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut ends: Vec<_> = fs::read_dir(&self.0).unwrap().map(name).collect();
        ends.iter_mut().for_each(|name| *name = name.trim_start_matches("bankhub-name.").to_owned());
        ends.sort();
        ends
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl FileSession {
    fn acquire(&mut self) -> Lease {
        self.acquire_lease(policy::LEASE_DURATION).unwrap()
    }

    fn extend(&mut self) -> bool {
        self.extend_lease(policy::LEASE_DURATION).unwrap()
    }

    fn held(&self) -> Lease {
        Lease::HeldByOther(self.number)
    }

    /// As much time passes for this session alone.
    fn pass(&mut self, time: Duration) {
        let observation = self.observation.as_mut().expect("it has seen the lease of another one");
        observation.since = observation.since - time;
    }

    fn read_entry(&mut self) -> Option<Vec<u8>> {
        self.read().unwrap().map(|entry| entry.sealed)
    }
}

#[test]
fn a_holder_that_does_not_extend_loses_the_lease() {
    let folder = Folder::new();
    let [mut stopped, mut other, mut third] = [folder.session(), folder.session(), folder.session()];
    assert_eq!(stopped.acquire(), Lease::Held);
    assert_eq!(other.acquire(), stopped.held());
    other.pass(policy::LEASE_DURATION - SECOND);
    assert_eq!(other.acquire(), stopped.held());
    other.pass(SECOND);
    assert_eq!(other.acquire(), Lease::Held);
    assert_eq!(third.acquire(), other.held());
    assert!(other.extend());
}

#[test]
fn a_holder_that_extends_keeps_the_lease() {
    let folder = Folder::new();
    let [mut holder, mut other] = [folder.session(), folder.session()];
    assert_eq!(holder.acquire(), Lease::Held);
    for _ in 0..5 {
        assert_eq!(other.acquire(), holder.held());
        other.pass(policy::LEASE_DURATION);
        assert!(holder.extend());
    }
    assert_eq!(other.acquire(), holder.held());
}

#[test]
fn a_long_extension_lasts_until_the_next_one() {
    let folder = Folder::new();
    let [mut holder, mut other] = [folder.session(), folder.session()];
    assert_eq!(holder.acquire(), Lease::Held);
    assert!(holder.extend_lease(13 * SECOND).unwrap());
    assert_eq!(other.acquire(), holder.held());
    other.pass(12 * SECOND);
    assert_eq!(other.acquire(), holder.held());
    assert!(holder.extend());
    assert_eq!(other.acquire(), holder.held());
    other.pass(policy::LEASE_DURATION);
    assert_eq!(other.acquire(), Lease::Held);
}

#[test]
fn a_holder_that_has_lost_the_lease_changes_nothing() {
    let folder = Folder::new();
    let [mut stopped, mut other] = [folder.session(), folder.session()];
    assert_eq!(stopped.acquire(), Lease::Held);
    other.acquire();
    other.pass(policy::LEASE_DURATION);
    assert_eq!(other.acquire(), Lease::Held);
    assert!(!stopped.extend());
    let problem = stopped.write(b"old", NOW).unwrap_err();
    assert!(problem.message().contains("another process has taken over the lease"), "{problem}");
    assert_eq!(folder.ends(), ["lock", "new"]);
    stopped.release_lease();
    assert_eq!(folder.ends(), ["lock", "new"], "the file of the new holder");
    other.write(b"newer", NOW).unwrap();
    other.release_lease();
    assert_eq!(stopped.read_entry().as_deref(), Some(&b"newer"[..]));
    assert_eq!(stopped.remove().map_err(|error| error.to_string()), Ok(()));
    assert_eq!(folder.ends(), ["lock", "token"]);
}

#[test]
fn only_one_of_those_who_wait_takes_the_lease_over() {
    let folder = Folder::new();
    let mut stopped = folder.session();
    assert_eq!(stopped.acquire(), Lease::Held);
    let mut waiting: Vec<_> = (0..8).map(|_| folder.session()).collect();
    for session in &mut waiting {
        assert_eq!(session.acquire(), stopped.held());
        session.pass(policy::LEASE_DURATION);
    }
    let leases: Vec<_> = waiting.iter_mut().map(FileSession::acquire).collect();
    assert_eq!(leases[0], Lease::Held);
    assert!(leases[1..].iter().all(|lease| *lease == waiting[0].held()), "{leases:?}");
}

/// All of them have seen that the lease has expired before the first one takes it over.
#[test]
fn a_lease_that_was_taken_over_meanwhile_is_not_taken_over_again() {
    let folder = Folder::new();
    let [mut stopped, mut first, mut second] = [folder.session(), folder.session(), folder.session()];
    assert_eq!(stopped.acquire(), Lease::Held);
    let expired = Seen::read(stopped.lease.as_ref().unwrap().file()).unwrap();
    assert_eq!(first.take_over(expired, SECOND).unwrap(), Lease::Held);
    assert_eq!(second.take_over(expired, SECOND).unwrap(), first.held());
}

#[test]
fn an_extension_at_the_last_moment_keeps_the_lease() {
    let folder = Folder::new();
    let [mut holder, mut other] = [folder.session(), folder.session()];
    assert_eq!(holder.acquire(), Lease::Held);
    let expired = Seen::read(holder.lease.as_ref().unwrap().file()).unwrap();
    assert!(holder.extend());
    assert_eq!(other.take_over(expired, SECOND).unwrap(), holder.held());
    assert!(holder.extend());
}

/// The file has the record of a holder that was killed, until the next one has written its own.
#[test]
fn a_lock_file_that_was_replaced_before_its_record_gives_no_lease() {
    let folder = Folder::new();
    let [mut killed, mut late, mut other] = [folder.session(), folder.session(), folder.session()];
    assert_eq!(killed.acquire(), Lease::Held);
    assert_eq!(other.acquire(), killed.held());
    killed.lease = None;
    let lock = late.store.open_lock().unwrap().unwrap();
    other.pass(policy::LEASE_DURATION);
    assert_eq!(other.acquire(), Lease::Held);
    assert_eq!(late.take_free(lock, SECOND).unwrap(), Lease::HeldByOther(0));
    assert_eq!(late.acquire(), other.held());
}

#[test]
fn a_holder_that_is_stopped_before_its_first_record_loses_the_lease() {
    let folder = Folder::new();
    let [stopped, mut other] = [folder.session(), folder.session()];
    let _lock = stopped.store.open_lock().unwrap().unwrap();
    assert_eq!(other.acquire(), Lease::HeldByOther(0));
    other.pass(policy::LEASE_DURATION);
    assert_eq!(other.acquire(), Lease::Held);
}

#[test]
fn the_lease_of_a_killed_holder_is_free_at_once_and_nothing_of_it_is_left() {
    let folder = Folder::new();
    let [mut killed, mut other] = [folder.session(), folder.session()];
    assert_eq!(killed.acquire(), Lease::Held);
    killed.lease = None;
    assert_eq!(other.acquire(), Lease::Held);
    other.release_lease();
    assert_eq!(folder.ends(), ["lock"]);
}

#[test]
fn a_session_that_acquires_the_lease_again_counts_as_alive() {
    let folder = Folder::new();
    let [mut holder, mut other] = [folder.session(), folder.session()];
    assert_eq!(holder.acquire(), Lease::Held);
    assert_eq!(other.acquire(), holder.held());
    holder.release_lease();
    assert_eq!(holder.acquire(), Lease::Held);
    other.pass(policy::LEASE_DURATION);
    assert_eq!(other.acquire(), holder.held());
}

#[test]
fn a_lock_file_that_was_removed_ends_the_lease() {
    let folder = Folder::new();
    let [mut holder, mut other] = [folder.session(), folder.session()];
    assert_eq!(holder.acquire(), Lease::Held);
    fs::remove_file(&holder.store.lock).unwrap();
    assert!(!holder.extend());
    assert_eq!(other.acquire(), Lease::Held);
}

#[test]
fn a_directory_that_stays_locked_is_an_error_for_the_holder_and_a_wait_for_the_others() {
    let folder = Folder::new();
    let [mut holder, mut other] = [folder.session(), folder.session()];
    assert_eq!(holder.acquire(), Lease::Held);
    let directory = other.store.lock_directory().unwrap().unwrap();
    let problem = holder.extend_lease(SECOND).unwrap_err();
    assert!(problem.message().contains("another process keeps it locked"), "{problem}");
    other.acquire();
    other.pass(policy::LEASE_DURATION);
    assert_eq!(other.acquire(), holder.held());
    drop(directory);
    assert!(holder.extend());
}

/// Adds one to the number that the store holds. Whether it was written.
fn add_one(folder: &Folder) -> bool {
    let mut session = folder.session();
    // It expires at once, so another session takes it over at any moment.
    if session.acquire_lease(Duration::ZERO).unwrap() != Lease::Held {
        return false;
    }
    let number = session.read_entry().map_or(0, |entry| u32::from_ne_bytes(entry.try_into().unwrap()));
    std::thread::yield_now(); // to those who take the lease over
    let written = session.write(&(number + 1).to_ne_bytes(), NOW).is_ok();
    session.release_lease();
    written
}

#[test]
#[expect(clippy::disallowed_methods, reason = "threads that stand for processes")]
fn no_write_is_lost_however_often_the_lease_is_taken_over() {
    let folder = Folder::new();
    let work = || (0..200).filter(|_| add_one(&folder)).count();
    let written: usize = std::thread::scope(|scope| {
        let threads = [(); 8].map(|()| scope.spawn(work));
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let entry = folder.session().read_entry().unwrap();
    assert_eq!(u32::from_ne_bytes(entry.try_into().unwrap()) as usize, written);
    assert_eq!(folder.ends(), ["lock", "token"]);
}
