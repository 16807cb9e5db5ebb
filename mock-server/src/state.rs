//! The state of the mock server: settings, live tokens, stub responses and raw faults to come, and counters.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::raw_faults::FaultStep;

#[derive(Clone)]
pub struct Settings {
    pub client_id: String,
    /// Each is accepted, as while a client has an old and a new one.
    pub client_secrets: Vec<String>,
    pub enabled: bool,
    /// Seconds.
    pub ttl: u64,
    pub latency_ms: u64,
    /// Whether a new token ends all earlier ones.
    pub end_old_token: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_id: "mock-id".to_owned(),
            client_secrets: vec!["mock-secret".to_owned()],
            enabled: true,
            ttl: 60_000,
            latency_ms: 0,
            end_old_token: false,
        }
    }
}

/// The response to a token request, instead of a token.
#[derive(Clone)]
pub struct StubResponse {
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
    /// The 401s of the token endpoint and of the resources together.
    pub unauthorized: u64,
    pub resource_requests: u64,
    pub last_token_request: Option<ReceivedRequest>,
    /// With any token, or with none.
    pub last_resource_request: Option<ReceivedRequest>,
}

/// A request as it arrived.
#[derive(Clone, Serialize)]
pub struct ReceivedRequest {
    pub method: String,
    pub path: String,
    pub headers: Map<String, Value>,
    /// `None` for a resource, whose body may be long: the mock server does not wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_length: Option<usize>,
}

pub struct ServerState {
    initial: Settings,
    inner: Mutex<Inner>,
}

struct Inner {
    settings: Settings,
    live: HashMap<String, Instant>,
    stub_responses: VecDeque<StubResponse>,
    raw_faults: VecDeque<Vec<FaultStep>>,
    in_flight: InFlight,
    counters: Counters,
}

impl ServerState {
    pub fn new(initial: Settings) -> Self {
        let inner = Inner::new(initial.clone());
        Self { initial, inner: Mutex::new(inner) }
    }

    /// Back to the start. Token requests in flight still get their response, and no longer count.
    pub fn reset(&self) {
        *self.inner.lock() = Inner::new(self.initial.clone());
    }

    pub fn settings(&self) -> Settings {
        self.inner.lock().settings.clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.inner.lock().settings);
    }

    pub fn revoke_all(&self) {
        self.inner.lock().live.clear();
    }

    pub fn counters(&self) -> Counters {
        self.inner.lock().counters.clone()
    }

    pub fn stub_next_responses(&self, count: usize, stub: &StubResponse) {
        self.inner.lock().stub_responses.extend(std::iter::repeat_n(stub, count).cloned());
    }

    /// For one token request; a stub is used once.
    pub fn next_stub_response(&self) -> Option<StubResponse> {
        self.inner.lock().stub_responses.pop_front()
    }

    pub fn fault_next_connections(&self, count: usize, steps: &[FaultStep]) {
        self.inner.lock().raw_faults.extend(std::iter::repeat_n(steps.to_vec(), count));
    }

    /// For one connection that carries a token request; a fault is used once.
    pub fn next_raw_fault(&self) -> Option<Vec<FaultStep>> {
        self.inner.lock().raw_faults.pop_front()
    }

    /// Counts a token request as it arrives.
    pub fn begin_token_request(&self, request: ReceivedRequest) -> InFlight {
        let mut inner = self.inner.lock();
        let in_flight = Arc::clone(&inner.in_flight);
        let now = Arc::strong_count(&in_flight) - 1; // the state itself holds one
        inner.counters.token_requests += 1;
        inner.counters.token_requests_at_once_max = inner.counters.token_requests_at_once_max.max(now);
        inner.counters.last_token_request = Some(request);
        in_flight
    }

    /// A new token and its ttl in seconds.
    pub fn issue(&self) -> (String, u64) {
        let mut random = [0; 20];
        getrandom::fill(&mut random).expect("the system has randomness");
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut inner = self.inner.lock();
        let (ttl, now) = (inner.settings.ttl, Instant::now());
        inner.live.retain(|_, end| *end > now);
        if inner.settings.end_old_token {
            inner.live.clear();
        }
        // With a ttl beyond the range of the clock, the token outlives the mock server.
        let end = now.checked_add(Duration::from_secs(ttl)).unwrap_or(now + Duration::from_secs(u32::MAX.into()));
        inner.live.insert(token.clone(), end);
        inner.counters.tokens_issued += 1;
        (token, ttl)
    }

    pub fn is_live(&self, token: &str) -> bool {
        self.inner.lock().live.get(token).is_some_and(|end| *end > Instant::now())
    }

    pub fn count_unauthorized(&self) {
        self.inner.lock().counters.unauthorized += 1;
    }

    pub fn count_resource_request(&self, request: ReceivedRequest) {
        let mut inner = self.inner.lock();
        inner.counters.resource_requests += 1;
        inner.counters.last_resource_request = Some(request);
    }
}

impl Inner {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            live: HashMap::new(),
            stub_responses: VecDeque::new(),
            raw_faults: VecDeque::new(),
            in_flight: InFlight::default(),
            counters: Counters::default(),
        }
    }
}
