//! The control path: what a test tells the mock server to do, and asks it about what it has seen.

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

use crate::hub::{Answer, Counters, Hub};
use crate::wire::Step;

type Done = Result<StatusCode, (StatusCode, String)>;

pub fn router(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/mock/revoke", post(revoke))
        .route("/mock/credentials", post(credentials))
        .route("/mock/settings", post(settings))
        .route("/mock/answers", post(answers))
        .route("/mock/wire", post(wire))
        .route("/mock/reset", post(reset))
        .route("/mock/counters", get(counters))
        .with_state(hub)
}

async fn revoke(State(hub): State<Arc<Hub>>) -> StatusCode {
    hub.revoke_all();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    enabled: bool,
}

async fn credentials(State(hub): State<Arc<Hub>>, body: Bytes) -> Done {
    let Credentials { enabled } = read(&body)?;
    hub.change(|settings| settings.enabled = enabled);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    ttl: Option<u64>,
    latency_ms: Option<u64>,
    end_old_token: Option<bool>,
}

async fn settings(State(hub): State<Arc<Hub>>, body: Bytes) -> Done {
    let changes: Changes = read(&body)?;
    hub.change(|settings| {
        settings.ttl = changes.ttl.unwrap_or(settings.ttl);
        settings.latency_ms = changes.latency_ms.unwrap_or(settings.latency_ms);
        settings.end_old_token = changes.end_old_token.unwrap_or(settings.end_old_token);
    });
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    count: usize,
    status: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    body: String,
}

/// More than any test sends, few enough to keep.
const ORDER_COUNT_MAX: usize = 100_000;

async fn answers(State(hub): State<Arc<Hub>>, body: Bytes) -> Done {
    let order: Order = read(&body)?;
    check_count(order.count)?;
    // Below 200 are interim answers, behind which a client goes on waiting.
    let status = StatusCode::from_u16(order.status).ok().filter(|status| status.as_u16() >= 200);
    let status = status.ok_or_else(|| wrong(format!("status is {}; expected 200 to 999", order.status)))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &order.headers {
        let name: HeaderName = name.parse().map_err(|_| wrong(format!("headers: '{name}' is no header name")))?;
        // Others than its own would break hyper's framing of the connection.
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name) {
            return Err(wrong(format!("headers: '{name}' is the mock server's own to write")));
        }
        let value = HeaderValue::from_str(value).map_err(|_| wrong(format!("headers: no value for '{name}'")))?;
        headers.insert(name, value);
    }
    hub.answer_next(order.count, &Answer { status, headers, body: order.body.into() });
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Play {
    count: usize,
    steps: Vec<Step>,
}

async fn wire(State(hub): State<Arc<Hub>>, body: Bytes) -> Done {
    let Play { count, steps } = read(&body)?;
    check_count(count)?;
    hub.play_next(count, &steps);
    Ok(StatusCode::NO_CONTENT)
}

async fn reset(State(hub): State<Arc<Hub>>) -> StatusCode {
    hub.reset();
    StatusCode::NO_CONTENT
}

async fn counters(State(hub): State<Arc<Hub>>) -> Json<Counters> {
    Json(hub.counters())
}

/// serde's message names the key that is unknown or missing, or where the value is that does not fit.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))
}

fn check_count(count: usize) -> Result<(), (StatusCode, String)> {
    match count > ORDER_COUNT_MAX {
        true => Err(wrong(format!("count is {count}; expected at most {ORDER_COUNT_MAX}"))),
        false => Ok(()),
    }
}

fn wrong(problem: String) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, format!("{problem}\n"))
}
