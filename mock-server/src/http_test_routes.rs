//! Routes for tests of HTTP clients, which the Bank Hub does not have. They need a live token, as its resources do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{any, get, post};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::unauthenticated;
use crate::state::ServerState;

pub fn router() -> Router<Arc<ServerState>> {
    Router::new()
        .route("/v1/mock/unauthorized", any(unauthorized))
        .route("/v1/mock/cookie", get(cookie))
        .route("/v1/mock/echo", post(echo))
        .route("/v1/mock/redirect", any(redirect))
        .route("/v1/mock/slow", get(slow))
        .route("/v1/mock/stream", get(stream))
        .route("/v1/mock/arrival", post(arrival))
}

async fn unauthorized(State(state): State<Arc<ServerState>>) -> Response {
    state.count_unauthorized();
    unauthenticated()
}

#[derive(Deserialize)]
struct Cookie {
    value: String,
}

/// 401 with a cookie, until a request brings the cookie back: a gateway in front of an API does that.
async fn cookie(
    State(state): State<Arc<ServerState>>,
    headers: HeaderMap,
    Query(Cookie { value }): Query<Cookie>,
) -> Response {
    let wanted = format!("mock={value}");
    let given = headers.get(header::COOKIE).and_then(|given| given.to_str().ok()).unwrap_or_default();
    if given.split("; ").any(|pair| pair == wanted) {
        return given.to_owned().into_response();
    }
    state.count_unauthorized();
    let set = format!("{wanted}; Path=/v1/; HttpOnly");
    match HeaderValue::try_from(set) {
        Ok(set) => ([(header::SET_COOKIE, set)], unauthenticated()).into_response(),
        Err(_) => (StatusCode::BAD_REQUEST, "value is the value of a cookie\n").into_response(),
    }
}

async fn echo(headers: HeaderMap, body: Body) -> Response {
    let plain = HeaderValue::from_static("application/octet-stream");
    let content_type = headers.get(header::CONTENT_TYPE).unwrap_or(&plain);
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

#[derive(Deserialize)]
struct Redirect {
    to: String,
    #[serde(default = "temporary_redirect")]
    status: u16,
}

fn temporary_redirect() -> u16 {
    StatusCode::TEMPORARY_REDIRECT.as_u16()
}

async fn redirect(Query(Redirect { to, status }): Query<Redirect>) -> Response {
    match (StatusCode::from_u16(status), HeaderValue::try_from(to)) {
        (Ok(status), Ok(to)) if status.is_redirection() => (status, [(header::LOCATION, to)]).into_response(),
        _ => (StatusCode::BAD_REQUEST, "to is a URL, status 300 to 399\n").into_response(),
    }
}

#[derive(Deserialize)]
struct Pause {
    ms: u64,
}

async fn slow(Query(Pause { ms }): Query<Pause>) -> Json<Value> {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    Json(json!({"code": 200}))
}

#[derive(Deserialize)]
struct Chunks {
    chunks: u32,
    every_ms: u64,
}

async fn stream(Query(Chunks { chunks, every_ms }): Query<Chunks>) -> Body {
    Body::from_stream(stream::iter(0..chunks).then(move |number| async move {
        if number > 0 {
            tokio::time::sleep(Duration::from_millis(every_ms)).await;
        }
        Ok::<_, axum::Error>(Bytes::from_static(b"chunk\n"))
    }))
}

/// The length of the body, and the time between the arrival of its first part and of its last part.
async fn arrival(body: Body) -> Result<Json<Value>, StatusCode> {
    let (mut length, mut first, mut last) = (0, None, None);
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        length += part.map_err(|_| StatusCode::BAD_REQUEST)?.len();
        last = Some(Instant::now());
        first = first.or(last);
    }
    let spread = last.zip(first).map_or(Duration::ZERO, |(last, first)| last - first);
    Ok(Json(json!({"length": length, "spread_ms": spread.as_millis()})))
}
