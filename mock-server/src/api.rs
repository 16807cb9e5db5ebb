//! The API that the mock server answers for: the token endpoint and the resources, as the documentation says.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{MethodRouter, get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use crate::hub::{Hub, Seen, Settings};
use crate::trials;

pub fn router(hub: Arc<Hub>) -> Router {
    let resources = Router::new()
        .route("/v1/company", get_only(json!({"id": 1, "name": "MockServer company"})))
        .route("/v1/bank-account", get_only(json!([{"id": 1, "account_number": "0000000001"}])))
        .route("/v1/transaction", get_only(json!([{"id": 1, "amount": 10_000, "currency": "VND"}])))
        .route("/v1/link-token/create", post_only(json!({"link_token": "mock-link-token"})))
        .route("/v1/webhook", get_only(json!([])).merge(post_only(json!({"id": 1}))))
        .route("/v1/merchant-config", get_only(json!({})).merge(post_only(json!({}))))
        .merge(trials::router())
        .route_layer(middleware::from_fn_with_state(Arc::clone(&hub), require_bearer));
    Router::new()
        .route("/v1/token", post(token))
        .merge(resources)
        .fallback(|| async { failure(StatusCode::NOT_FOUND, "Resource not found", None) })
        .method_not_allowed_fallback(|| async { failure(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", None) })
        .with_state(hub)
}

async fn token(State(hub): State<Arc<Hub>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    // Held here, the count ends also where the client goes away during the latency.
    let _in_flight = hub.begin_token_request(Seen { body_length: Some(body.len()), ..seen(&method, &uri, &headers) });
    let ordered = hub.next_answer();
    let settings = hub.settings();
    tokio::time::sleep(Duration::from_millis(settings.latency_ms)).await;
    let answer = match ordered {
        // As a Body, since axum gives bare text a Content-Type that nobody ordered.
        Some(ordered) => (ordered.status, ordered.headers, Body::from(ordered.body)).into_response(),
        None => issue(&hub, &settings, &headers),
    };
    if answer.status() == StatusCode::UNAUTHORIZED {
        hub.count_unauthorized();
    }
    answer
}

fn issue(hub: &Hub, settings: &Settings, headers: &HeaderMap) -> Response {
    let Some(encoded) = credentials_of(headers, "Basic ") else { return unauthenticated() };
    let Some(given) = STANDARD.decode(encoded).ok().filter(|given| given.contains(&b':')) else {
        let errors = json!({"Authorization": "expected Basic base64(client_id:client_secret)"});
        return failure(StatusCode::BAD_REQUEST, "Bad request", Some(errors));
    };
    let expected = format!("{}:{}", settings.client_id, settings.client_secret);
    if !settings.enabled || given != expected.as_bytes() {
        return unauthenticated();
    }
    let (access_token, ttl) = hub.issue();
    (StatusCode::CREATED, Json(Granted { code: 201, access_token, ttl })).into_response()
}

/// Its keys in the order of the documentation.
#[derive(Serialize)]
struct Granted {
    code: u16,
    access_token: String,
    ttl: u64,
}

async fn require_bearer(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    hub.count_resource_request(seen(request.method(), request.uri(), request.headers()));
    if credentials_of(request.headers(), "Bearer ").is_some_and(|token| hub.is_live(token)) {
        return next.run(request).await;
    }
    hub.count_unauthorized();
    // The body is read first: a connection that is closed before that may lose the answer.
    let _ = axum::body::to_bytes(request.into_body(), usize::MAX).await;
    unauthenticated()
}

fn seen(method: &Method, uri: &Uri, headers: &HeaderMap) -> Seen {
    let text = |value: &HeaderValue| Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned());
    Seen {
        method: method.to_string(),
        path: uri.path().to_owned(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body_length: None,
    }
}

fn credentials_of<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (given, credentials) = value.split_at_checked(scheme.len())?;
    given.eq_ignore_ascii_case(scheme).then_some(credentials)
}

fn get_only(data: Value) -> MethodRouter<Arc<Hub>> {
    get(|| async { success(StatusCode::OK, data) })
}

fn post_only(data: Value) -> MethodRouter<Arc<Hub>> {
    post(|| async { success(StatusCode::CREATED, data) })
}

fn success(status: StatusCode, data: Value) -> Response {
    (status, Json(json!({"code": status.as_u16(), "data": data}))).into_response()
}

pub fn unauthenticated() -> Response {
    failure(StatusCode::UNAUTHORIZED, "Unauthenticated", None)
}

/// Its keys in the order of the documentation.
#[derive(Serialize)]
struct Failed {
    code: u16,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Value>,
}

fn failure(status: StatusCode, message: &'static str, errors: Option<Value>) -> Response {
    (status, Json(Failed { code: status.as_u16(), message, errors })).into_response()
}
