//! The steps of a process while others hold the lease.

use super::*;

const EVEN: Jitter = Jitter(u32::MAX / 2);

fn seconds(time: f64) -> Duration {
    Duration::from_secs_f64(time)
}

fn at(time: f64) -> Instant {
    Instant::from_origin(seconds(time))
}

/// Waits 15 s for one holder.
fn acquirer(abandon_at: f64) -> LeaseAcquirer {
    LeaseAcquirer::new(seconds(15.0), at(abandon_at))
}

fn observe(acquirer: &mut LeaseAcquirer, holder: u64, now: f64) -> Decision {
    acquirer.observe(Lease::HeldByOther(holder), at(now), EVEN)
}

#[track_caller]
fn check_polls_again(acquirer: &mut LeaseAcquirer, holder: u64, now: f64) {
    assert!(matches!(observe(acquirer, holder, now), Decision::PollAgain(_)), "after {now} s");
}

#[test]
fn acquires_a_free_lease() {
    assert_eq!(acquirer(24.0).observe(Lease::Held, at(99.0), EVEN), Decision::Acquired);
}

#[test]
fn bypasses_one_holder_after_holder_timeout() {
    let mut acquirer = acquirer(24.0);
    for now in [0.0, 7.0, 14.9] {
        check_polls_again(&mut acquirer, 1, now);
    }
    assert_eq!(observe(&mut acquirer, 1, 15.0), Decision::Bypass);
}

#[test]
fn bypasses_one_holder_even_when_it_should_abandon_earlier() {
    let mut acquirer = acquirer(3.0);
    check_polls_again(&mut acquirer, 1, 0.0);
    check_polls_again(&mut acquirer, 1, 14.9);
    assert_eq!(observe(&mut acquirer, 1, 15.0), Decision::Bypass);
}

#[test]
fn abandons_when_holders_keep_changing() {
    let mut acquirer = acquirer(24.0);
    for now in [0.0, 14.0, 23.9] {
        check_polls_again(&mut acquirer, now as u64, now);
    }
    assert_eq!(observe(&mut acquirer, 24, 24.0), Decision::Abandon);
}

#[test]
fn polls_less_and_less_often() {
    let mut acquirer = acquirer(24.0);
    for poll in 0..12 {
        let pause = policy::lease_poll_pause(poll, EVEN);
        assert_eq!(observe(&mut acquirer, 1, f64::from(poll)), Decision::PollAgain(pause), "poll {poll}");
    }
}
