//! Scenarios with a number in the promise, in a world where nothing happens by chance but the jitter.

use std::time::Duration;

use crate::clock::SECOND;
use crate::promises::Settings;
use crate::random::Random;
use crate::server::{Mood, Server};
use crate::world::{Call, End, Event, Route, World};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn world() -> World {
    let settings = Settings { request_timeout: 10 * SECOND, refresh_ahead: None };
    World::new(Random::new(4), Server::healthy(60_000 * SECOND, true), settings)
}

fn call_at(world: &mut World, time: Duration, route: Route) {
    world.after(time, Event::Call { route, patience: 30 * SECOND, is_second: false });
}

fn requests(world: &mut World) -> u64 {
    world.stats().requests
}

fn all_have_tokens(calls: &[Call]) -> bool {
    calls.iter().all(|call| call.end == Some(End::Token))
}

#[test]
fn sixty_four_callers_on_an_empty_cache_cost_one_request() {
    let mut world = world();
    for _ in 0..64 {
        call_at(&mut world, Duration::ZERO, Route::Sound);
    }
    world.run_until(SECOND / 10_000);
    assert_eq!(world.stats().waiters, 64);
    world.run();
    assert_eq!(world.calls.len(), 64);
    assert!(all_have_tokens(&world.calls));
    assert_eq!(requests(&mut world), 1);
}

#[test]
fn an_endpoint_that_is_down_for_a_minute_is_asked_at_most_9_times() {
    let mut world = world();
    world.server.mood = Some(Mood::Down);
    for _ in 0..64 {
        call_at(&mut world, Duration::ZERO, Route::Looping(SECOND / 100));
    }
    world.run_until(MINUTE);
    assert!(world.calls.len() > 100_000, "{} calls", world.calls.len());
    let requests = requests(&mut world);
    assert!((8..=9).contains(&requests), "{requests} requests in a minute");
    world.server.mood = Some(Mood::Healthy);
    world.run_until(2 * MINUTE);
    assert!(world.calls.iter().any(|call| call.end == Some(End::Token)), "callers recover within the backoff");
}

#[test]
fn a_hundred_reports_of_one_token_cost_one_request() {
    let mut world = world();
    call_at(&mut world, Duration::ZERO, Route::Sound);
    world.run();
    world.server.revoke_all();
    for _ in 0..100 {
        call_at(&mut world, MINUTE, Route::Sound);
    }
    world.run();
    assert!(all_have_tokens(&world.calls));
    assert_eq!(requests(&mut world), 2);
    let stats = world.stats();
    assert_eq!((stats.rejections + stats.ignored_rejections, stats.generation), (100, 2));
}

#[test]
fn a_route_that_always_answers_401_takes_nothing_from_the_others() {
    let mut world = world();
    for call in 0..100 * 3_600 {
        call_at(&mut world, SECOND / 100 * call, Route::Refusing);
    }
    for call in 0..20 * 3_600 {
        call_at(&mut world, SECOND / 20 * call, Route::Sound);
    }
    world.run_until(HOUR);
    let requests = requests(&mut world);
    assert!((60..=130).contains(&requests), "{requests} requests in an hour");
    let healthy = world.calls.iter().filter(|call| call.route == Route::Sound && call.began < HOUR - SECOND);
    let healthy: Vec<_> = healthy.copied().collect();
    assert!(healthy.len() > 70_000, "{} calls", healthy.len());
    assert!(all_have_tokens(&healthy));
    let last_wait = healthy.iter().filter(|call| call.wakes > 0).map(|call| call.began).max();
    assert!(last_wait < Some(2 * SECOND), "they wait for the first token and its replacement, not at {last_wait:?}");
}
