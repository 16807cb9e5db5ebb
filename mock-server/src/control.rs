//! The control paths: a test changes here what the mock server does, and reads what it received.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Json;
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::raw_faults::FaultStep;
use crate::state::{Counters, ServerState, StubResponse};

type Done = Result<StatusCode, (StatusCode, String)>;

pub fn router(state: Arc<ServerState>) -> Router {
    Router::new()
        .route("/mock/revoke", post(revoke))
        .route("/mock/credentials", post(credentials))
        .route("/mock/settings", post(settings))
        .route("/mock/responses", post(responses))
        .route("/mock/raw-faults", post(raw_faults))
        .route("/mock/reset", post(reset))
        .route("/mock/counters", get(counters))
        .with_state(state)
}

async fn revoke(State(state): State<Arc<ServerState>>) -> StatusCode {
    state.revoke_all();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    enabled: Option<bool>,
    secrets: Option<Vec<String>>,
}

async fn credentials(State(state): State<Arc<ServerState>>, body: Bytes) -> Done {
    let Credentials { enabled, secrets } = parse(&body)?;
    state.change(|settings| {
        settings.enabled = enabled.unwrap_or(settings.enabled);
        settings.client_secrets = secrets.unwrap_or_else(|| settings.client_secrets.clone());
    });
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    ttl: Option<u64>,
    latency_ms: Option<u64>,
    end_old_token: Option<bool>,
}

async fn settings(State(state): State<Arc<ServerState>>, body: Bytes) -> Done {
    let changes: Changes = parse(&body)?;
    state.change(|settings| {
        settings.ttl = changes.ttl.unwrap_or(settings.ttl);
        settings.latency_ms = changes.latency_ms.unwrap_or(settings.latency_ms);
        settings.end_old_token = changes.end_old_token.unwrap_or(settings.end_old_token);
    });
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StubResponses {
    count: usize,
    status: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    body: String,
}

/// More than any test sends, and few enough to keep in memory.
const COUNT_MAX: usize = 100_000;

async fn responses(State(state): State<Arc<ServerState>>, body: Bytes) -> Done {
    let stubs: StubResponses = parse(&body)?;
    check_count(stubs.count)?;
    // A status below 200 is an interim response, after which a client continues to wait.
    let status = StatusCode::from_u16(stubs.status).ok().filter(|status| status.as_u16() >= 200);
    let status = status.ok_or_else(|| bad_request(format!("status is {}; expected 200 to 999", stubs.status)))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &stubs.headers {
        let name: HeaderName = name.parse().map_err(|_| bad_request(format!("headers: '{name}' is no header name")))?;
        // Any other value than hyper's own would break the framing of the connection.
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name) {
            return Err(bad_request(format!("headers: the mock server itself writes '{name}'")));
        }
        let value = HeaderValue::from_str(value).map_err(|_| bad_request(format!("headers: no value for '{name}'")))?;
        headers.insert(name, value);
    }
    state.stub_next_responses(stubs.count, &StubResponse { status, headers, body: stubs.body.into() });
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFaults {
    count: usize,
    steps: Vec<FaultStep>,
}

async fn raw_faults(State(state): State<Arc<ServerState>>, body: Bytes) -> Done {
    let RawFaults { count, steps } = parse(&body)?;
    check_count(count)?;
    state.fault_next_connections(count, &steps);
    Ok(StatusCode::NO_CONTENT)
}

async fn reset(State(state): State<Arc<ServerState>>) -> StatusCode {
    state.reset();
    StatusCode::NO_CONTENT
}

async fn counters(State(state): State<Arc<ServerState>>) -> Json<Counters> {
    Json(state.counters())
}

/// serde's message names the unknown or missing key, or the place of a value of the wrong type.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(|error| bad_request(error.to_string()))
}

fn check_count(count: usize) -> Result<(), (StatusCode, String)> {
    match count > COUNT_MAX {
        true => Err(bad_request(format!("count is {count}; expected at most {COUNT_MAX}"))),
        false => Ok(()),
    }
}

fn bad_request(problem: String) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, format!("{problem}\n"))
}
