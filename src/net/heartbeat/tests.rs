//! When a heartbeat beats, and how long a thread may wait until then.

use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, channel};

use bankhub_core::Status;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

const HELD: Result<bool, Status> = Ok(true);
const LOST: Result<bool, Status> = Ok(false);
const FAILED: Result<bool, Status> = Err(Status::Unavailable);

/// A heartbeat whose last beat was `ago`, and its beats from now on.
fn heartbeat(ago: Duration, result: Result<bool, Status>) -> (Heartbeat, Receiver<Duration>) {
    let (sender, beats) = channel();
    let beat = move |within| {
        sender.send(within).unwrap();
        result.map_err(|status| Error::new(status, "no"))
    };
    (Heartbeat::new(now() - ago, beat), beats)
}

fn now() -> Instant {
    clock::now().boottime
}

#[test]
fn without_a_hook_the_wait_is_as_long_as_the_deadline() {
    let wait = Heartbeat::default().beat_if_due(now() + 30 * SECOND).unwrap();
    assert!(wait > 20 * SECOND);
}

#[test]
fn beats_after_a_pause_and_waits_until_the_next_beat() {
    let (mut heartbeat, beats) = heartbeat(policy::LEASE_EXTEND_PAUSE, HELD);
    let wait = heartbeat.beat_if_due(now() + 30 * SECOND).unwrap();
    assert!(wait <= policy::LEASE_EXTEND_PAUSE);
    heartbeat.beat_if_due(now() + 30 * SECOND).unwrap();
    assert_eq!(Vec::from_iter(beats.try_iter()), [policy::LEASE_DURATION]);
}

#[test]
fn does_not_beat_if_that_could_exceed_the_deadline() {
    let (mut heartbeat, beats) = heartbeat(policy::LEASE_EXTEND_PAUSE, HELD);
    let deadline = now() + policy::STORE_OPERATION_MAX / 2;
    let wait = heartbeat.beat_if_due(deadline).unwrap();
    assert!(!wait.is_zero() && wait <= policy::STORE_OPERATION_MAX / 2);
    assert_eq!(beats.try_iter().count(), 0);
}

#[test]
fn a_passed_deadline_is_noticed() {
    let (mut heartbeat, _beats) = heartbeat(Duration::ZERO, HELD);
    assert_eq!(heartbeat.beat_if_due(now()).map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
}

#[test]
fn beats_again_soon_after_a_beat_that_failed() {
    let (mut heartbeat, beats) = heartbeat(policy::LEASE_EXTEND_PAUSE, FAILED);
    let wait = heartbeat.beat_if_due(now() + 30 * SECOND).unwrap();
    assert!(!wait.is_zero() && wait <= RETRY_PAUSE);
    heartbeat.beat(SECOND);
    assert_eq!(beats.try_iter().count(), 2);
}

#[test]
fn ends_with_the_lease_if_beats_fail() {
    let (mut heartbeat, beats) = heartbeat(policy::LEASE_DURATION, FAILED);
    let wait = heartbeat.beat_if_due(now() + 30 * SECOND).unwrap();
    assert!(wait > 20 * SECOND);
    heartbeat.beat(SECOND);
    assert_eq!(beats.try_iter().count(), 1);
}

#[test]
fn ends_when_the_lease_is_lost() {
    let (mut heartbeat, beats) = heartbeat(policy::LEASE_EXTEND_PAUSE, LOST);
    let wait = heartbeat.beat_if_due(now() + 30 * SECOND).unwrap();
    assert!(wait > 20 * SECOND);
    heartbeat.beat(SECOND);
    assert_eq!(beats.try_iter().count(), 1);
}
