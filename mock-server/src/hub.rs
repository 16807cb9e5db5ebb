//! What the mock server knows: its settings, the live tokens, the ordered answers, and what it has received.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::wire::Step;

#[derive(Clone)]
pub struct Settings {
    pub client_id: String,
    pub client_secret: String,
    pub enabled: bool,
    /// Seconds.
    pub ttl: u64,
    pub latency_ms: u64,
    /// Whether a new token ends those before it.
    pub end_old_token: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_id: "mock-id".to_owned(),
            client_secret: "mock-secret".to_owned(),
            enabled: true,
            ttl: 60_000,
            latency_ms: 0,
            end_old_token: false,
        }
    }
}

/// What the next token request is answered with instead of a token.
#[derive(Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Counts as a token request in flight for as long as it is held.
pub type InFlight = Arc<()>;

#[derive(Clone, Default, Serialize)]
pub struct Counters {
    pub token_requests: u64,
    pub token_requests_at_once_max: usize,
    pub tokens_issued: u64,
    /// 401s, of the token endpoint and the resources together.
    pub unauthorized: u64,
    pub resource_requests: u64,
    pub last_token_request: Option<Seen>,
    /// Whatever token it had, if any.
    pub last_resource_request: Option<Seen>,
}

/// A request as it arrived.
#[derive(Clone, Serialize)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Map<String, Value>,
    /// Not waited for where the body may be a long one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_length: Option<usize>,
}

pub struct Hub {
    start: Settings,
    state: Mutex<State>,
}

struct State {
    settings: Settings,
    live: HashMap<String, Instant>,
    answers: VecDeque<Answer>,
    wires: VecDeque<Vec<Step>>,
    in_flight: InFlight,
    counters: Counters,
}

impl Hub {
    pub fn new(start: Settings) -> Self {
        let state = State::new(start.clone());
        Self { start, state: Mutex::new(state) }
    }

    /// Back to the start. Token requests still being answered get their token, and no longer count as in flight.
    pub fn reset(&self) {
        *self.state.lock() = State::new(self.start.clone());
    }

    pub fn settings(&self) -> Settings {
        self.state.lock().settings.clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.state.lock().settings);
    }

    pub fn revoke_all(&self) {
        self.state.lock().live.clear();
    }

    pub fn answer_next(&self, count: usize, answer: &Answer) {
        self.state.lock().answers.extend(std::iter::repeat_n(answer, count).cloned());
    }

    pub fn counters(&self) -> Counters {
        self.state.lock().counters.clone()
    }

    /// What was ordered for the next token request.
    pub fn next_answer(&self) -> Option<Answer> {
        self.state.lock().answers.pop_front()
    }

    pub fn play_next(&self, count: usize, steps: &[Step]) {
        self.state.lock().wires.extend(std::iter::repeat_n(steps.to_vec(), count));
    }

    /// What was ordered for the next connection that carries a token request.
    pub fn next_steps(&self) -> Option<Vec<Step>> {
        self.state.lock().wires.pop_front()
    }

    /// Counts a token request as it arrives.
    pub fn begin_token_request(&self, request: Seen) -> InFlight {
        let mut state = self.state.lock();
        let in_flight = Arc::clone(&state.in_flight);
        let now = Arc::strong_count(&in_flight) - 1; // the state holds one itself
        state.counters.token_requests += 1;
        state.counters.token_requests_at_once_max = state.counters.token_requests_at_once_max.max(now);
        state.counters.last_token_request = Some(request);
        in_flight
    }

    /// A new token and its ttl in seconds.
    pub fn issue(&self) -> (String, u64) {
        let mut random = [0; 20];
        getrandom::fill(&mut random).expect("the system has randomness");
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut state = self.state.lock();
        let (ttl, now) = (state.settings.ttl, Instant::now());
        state.live.retain(|_, end| *end > now);
        if state.settings.end_old_token {
            state.live.clear();
        }
        // A ttl beyond what the clock can tell: a token that ends when the mock server does.
        let end = now.checked_add(Duration::from_secs(ttl)).unwrap_or(now + Duration::from_secs(u32::MAX.into()));
        state.live.insert(token.clone(), end);
        state.counters.tokens_issued += 1;
        (token, ttl)
    }

    pub fn is_live(&self, token: &str) -> bool {
        self.state.lock().live.get(token).is_some_and(|end| *end > Instant::now())
    }

    pub fn count_unauthorized(&self) {
        self.state.lock().counters.unauthorized += 1;
    }

    pub fn count_resource_request(&self, request: Seen) {
        let mut state = self.state.lock();
        state.counters.resource_requests += 1;
        state.counters.last_resource_request = Some(request);
    }
}

impl State {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            live: HashMap::new(),
            answers: VecDeque::new(),
            wires: VecDeque::new(),
            in_flight: InFlight::default(),
            counters: Counters::default(),
        }
    }
}
