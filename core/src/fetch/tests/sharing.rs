//! A fetch shares its outcome with other processes through the store, and it keeps its lease.

use super::*;
use crate::stored_entry::SharedFailure;

#[test]
fn shares_what_the_endpoint_answered_and_keeps_the_stored_token() {
    let mut driver = Driver::with_token("a");
    driver.pass(520);
    driver.begin();
    driver.run(Event::Started, ReadStore);
    let token = Token { sent_at: driver.now - Duration::from_secs(520), ..driver.token("a") };
    driver.run(Event::StoreRead(entry_of(token.clone())), AcquireLease);
    driver.run(Event::LeaseObserved(Lease::Held), ReadStore);
    let entry = StoredEntry { token_aged_by: policy::CLOCK_SKEW_MAX, ..entry_of(token) };
    driver.run(Event::StoreRead(entry), Send);
    driver.run(refused(Status::Unauthenticated, 401), Did::Write("a aged Unauthenticated 1".to_owned()));
    assert!(matches!(driver.state.poll(driver.now), Poll::Serve(_)), "the token is still valid");
    driver.run(Event::Written, Release);
    driver.run(Event::Released, Did::Done);
    assert!(driver.state.stats(driver.now).last_error.is_some_and(|error| error.http_status() == Some(401)));
}

#[test]
fn all_processes_wait_for_as_long_as_the_endpoint_asks() {
    let mut driver = Driver::with_store();
    driver.send_with_lease();
    let error = Error::new(Status::RateLimited, "too many").with_http_status(429);
    let failure = Failure { error, retry_after: Some(Duration::from_secs(20)) };
    let Driver { state, fetch, now } = &mut driver;
    let Action::Write(entry) = fetch.step(Event::Response(Err(failure)), state, *now, EVEN) else {
        panic!("the others learn it")
    };

    let mut other = Driver::with_store();
    other.run(Event::Started, ReadStore);
    other.run(Event::StoreRead(entry.clone()), Release);
    let Poll::Fail(error) = other.state.poll(other.now) else { panic!("callers hear it") };
    assert_eq!((error.http_status(), error.retry_after()), (Some(429), Some(Duration::from_secs(20))));
}

#[test]
fn shares_no_failure_of_its_own_network() {
    let mut driver = Driver::with_store();
    driver.send_with_lease();
    driver.pass(5);
    driver.run(failed(Status::Unavailable), Release);
    driver.run(Event::Released, Did::Done);
    assert_eq!(driver.last_error().as_deref(), Some("it failed"));
}

#[test]
fn keeps_the_lease_for_a_retry_after_an_answer() {
    let mut driver = Driver::with_store();
    driver.send_with_lease();
    assert!(matches!(driver.step(refused(Status::Unavailable, 503)), Did::SleepUntil(_)));
    driver.run(Event::Woke, Send);
    driver.run(response("a"), Did::Write("a".to_owned()));
}

#[test]
fn ends_the_retries_soon_with_a_store() {
    let mut driver = Driver::with_store();
    driver.send_with_lease();
    driver.pass(1);
    driver.run(refused(Status::Unavailable, 503), Did::Write(" Unavailable 1".to_owned()));
}

#[test]
fn extends_a_lease_that_is_not_new_before_it_sends() {
    let mut driver = Driver::with_store();
    driver.run(Event::Started, ReadStore);
    driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
    driver.run(Event::LeaseObserved(Lease::Held), ReadStore);
    driver.pass(1);
    driver.run(Event::StoreRead(StoredEntry::default()), ExtendLease);
    driver.run(Event::LeaseExtended(true), Send);
}

#[test]
fn sends_nothing_with_a_lost_lease_and_acquires_it_again() {
    let mut driver = Driver::with_store();
    driver.run(Event::Started, ReadStore);
    driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
    driver.run(Event::LeaseObserved(Lease::Held), ReadStore);
    driver.pass(4);
    driver.run(Event::StoreRead(StoredEntry::default()), ExtendLease);
    driver.run(Event::LeaseExtended(false), ReadStore);
    driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
}

#[test]
fn adopts_the_failure_of_another_process_without_a_request() {
    let mut driver = Driver::with_store();
    driver.run(Event::Started, ReadStore);
    let error = Error::new(Status::Unauthenticated, "refused there").with_http_status(401);
    let next_attempt_at = driver.now + Duration::from_secs(20);
    let failure = SharedFailure { error, failures: 3, next_attempt_at };
    let entry = StoredEntry { failure: Some(failure), ..StoredEntry::default() };
    driver.run(Event::StoreRead(entry.clone()), Release);
    driver.run(Event::Released, Did::Done);
    let Poll::Fail(error) = driver.state.poll(driver.now) else { panic!("callers hear it") };
    assert_eq!((error.http_status(), error.retry_after()), (Some(401), Some(Duration::from_secs(20))));

    driver.pass(20);
    driver.begin();
    driver.run(Event::Started, ReadStore);
    driver.run(Event::StoreRead(entry.clone()), AcquireLease);
    driver.run(Event::LeaseObserved(Lease::Held), ReadStore);
    driver.run(Event::StoreRead(entry), Send);
    driver.run(refused(Status::Unavailable, 503), Did::Write(" Unavailable 4".to_owned()));
}

#[test]
fn reports_a_failure_of_the_store_until_the_same_step_works() {
    let mut driver = Driver::with_store();
    driver.send_with_lease();
    driver.run(response("a"), Did::Write("a".to_owned()));
    driver.run(Event::StoreFailed(error("the disk is full")), Release);
    driver.run(Event::Released, Did::Done);
    driver.pass(520);
    driver.begin();
    driver.send_with_lease();
    assert_eq!(driver.last_error().as_deref(), Some("the disk is full"), "it was only read");
    driver.run(response("b"), Did::Write("b".to_owned()));
    driver.run(Event::Written, Release);
    assert_eq!(driver.last_error(), None);
}

#[test]
fn a_closed_cache_sends_nothing_more_and_releases_the_lease() {
    let read = || Event::StoreRead(StoredEntry::default());
    let refused = refused(Status::Unavailable, 503);
    let events = [Event::Started, read(), Event::LeaseObserved(Lease::Held), read(), refused, Event::Woke];
    for (steps, last) in [
        (1, Event::StoreFailed(error("it is down"))),
        (3, read()),
        (5, Event::Woke),
        (6, Event::LeaseExtended(true)),
        (6, Event::LeaseExtended(false)),
        (6, Event::StoreFailed(error("it is down"))),
    ] {
        let mut driver = Driver::with_store();
        for event in &events[..steps] {
            driver.now = driver.now + Duration::from_millis(400);
            driver.step(event.clone());
        }
        driver.state.close();
        driver.run(last, Release);
        driver.run(Event::Released, Did::Done);
    }
}

#[test]
fn does_not_write_a_stale_token_again() {
    let mut driver = Driver::with_store();
    driver.run(Event::Started, ReadStore);
    let stale = Token { sent_at: driver.now - TTL, ..driver.token("a") };
    driver.run(Event::StoreRead(entry_of(stale.clone())), AcquireLease);
    driver.run(Event::LeaseObserved(Lease::Held), ReadStore);
    driver.run(Event::StoreRead(entry_of(stale)), Send);
    driver.run(refused(Status::Unauthenticated, 401), Did::Write(" Unauthenticated 1".to_owned()));
}

#[test]
fn does_not_write_a_token_again_that_was_rejected_meanwhile() {
    let mut driver = Driver::with_token("a");
    let stored = entry_of(driver.token("a"));
    driver.pass(520);
    driver.begin();
    driver.run(Event::Started, ReadStore);
    let lease_and_read = |driver: &mut Driver, then: Did| {
        driver.run(Event::StoreRead(stored.clone()), AcquireLease);
        driver.run(Event::LeaseObserved(Lease::Held), ReadStore);
        driver.run(Event::StoreRead(stored.clone()), then);
    };
    lease_and_read(&mut driver, Send);
    driver.run(failed(Status::Unavailable), Release);
    driver.step(Event::Released);
    assert_eq!(driver.state.invalidate("a", driver.now), Invalidation::Recorded);
    driver.run(Event::Woke, ReadStore);
    lease_and_read(&mut driver, Remove);
    driver.run(Event::Removed, Send);
    driver.run(refused(Status::Unauthenticated, 401), Did::Write(" Unauthenticated 1".to_owned()));
}

#[test]
fn each_step_of_the_store_is_reported_until_it_works() {
    let read = || Event::StoreRead(StoredEntry::default());
    let held = || Event::LeaseObserved(Lease::Held);
    let rejected = Event::StoreRead(entry_of(Driver::with_store().token("a")));
    let after_reading = [true, false, false];
    for (name, events, is_reported) in [
        ("read", vec![], [false; 3]),
        ("acquire", vec![read()], after_reading),
        ("extend", vec![read(), held(), read()], after_reading),
        ("remove", vec![read(), held(), rejected], [true, true, false]),
    ] {
        let mut driver = Driver::with_token("a");
        assert_eq!(driver.state.invalidate("a", driver.now), Invalidation::StartFetch);
        driver.fetch = Fetch::new();
        driver.run(Event::Started, ReadStore);
        for event in events {
            driver.pass(1);
            driver.step(event);
        }
        driver.run(Event::StoreFailed(error("it is down")), Release);
        driver.run(Event::Released, Send);
        driver.run(response("b"), Did::Done);

        driver.pass(520);
        driver.begin();
        driver.run(Event::Started, ReadStore);
        driver.run(read(), AcquireLease);
        let after_read = driver.last_error().is_some();
        driver.run(held(), ReadStore);
        let after_acquire = driver.last_error().is_some();
        driver.run(read(), Send);
        driver.run(response("c"), Did::Write("c".to_owned()));
        driver.run(Event::Written, Release);
        assert_eq!([after_read, after_acquire, driver.last_error().is_some()], is_reported, "{name}");
    }
}

#[test]
fn a_refresh_waits_for_a_store_that_has_failed_and_does_without_it_in_the_end() {
    for (failures, sends) in [(2, false), (4, true)] {
        let mut driver = Driver::with_token("a");
        driver.pass(520);
        driver.begin();
        driver.run(Event::Started, ReadStore);
        for failure in 1..=failures {
            driver.run(Event::StoreFailed(error("the master is down")), Release);
            assert_eq!(driver.served().as_deref(), Some("a"));
            if failure <= policy::STORE_WAITS_MAX {
                let wake_at = driver.now.boottime + policy::store_wait(EVEN);
                driver.run(Event::Released, Did::SleepUntil(wake_at));
                driver.pass(1);
                driver.run(Event::Woke, ReadStore);
            }
        }
        if sends {
            driver.run(Event::Released, Send);
        } else {
            driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
            assert_eq!(driver.last_error(), None, "the store can be read again");
        }
    }
}

#[test]
fn a_refresh_does_not_wait_for_the_store_until_its_token_is_stale() {
    let mut driver = Driver::with_token("a");
    driver.pass(565);
    driver.begin();
    driver.run(Event::Started, ReadStore);
    driver.run(Event::StoreFailed(error("the master is down")), Release);
    driver.run(Event::Released, Send);
}
