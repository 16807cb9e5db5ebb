//! The Bank Hub API: the token endpoint and the resources, as the documentation describes them.

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

use crate::http_test_routes;
use crate::state::{ReceivedRequest, ServerState, Settings};

pub fn router(state: Arc<ServerState>) -> Router {
    let resources = Router::new()
        .route("/v1/company", get_only(json!({"id": 1, "name": "MockServer company"})))
        .route("/v1/bank-account", get_only(json!([{"id": 1, "account_number": "0000000001"}])))
        .route("/v1/transaction", get_only(json!([{"id": 1, "amount": 10_000, "currency": "VND"}])))
        .route("/v1/link-token/create", post_only(json!({"link_token": "mock-link-token"})))
        .route("/v1/webhook", get_only(json!([])).merge(post_only(json!({"id": 1}))))
        .route("/v1/merchant-config", get_only(json!({})).merge(post_only(json!({}))))
        .merge(http_test_routes::router())
        .route_layer(middleware::from_fn_with_state(Arc::clone(&state), require_bearer));
    Router::new()
        .route("/v1/token", post(token))
        .merge(resources)
        .fallback(|| async { failure(StatusCode::NOT_FOUND, "Resource not found", None) })
        .method_not_allowed_fallback(|| async { failure(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", None) })
        .with_state(state)
}

async fn token(
    State(state): State<Arc<ServerState>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = ReceivedRequest { body_length: Some(body.len()), ..received(&method, &uri, &headers) };
    // Held here, so that the count also ends if the client disconnects during the latency.
    let _in_flight = state.begin_token_request(request);
    let stub = state.next_stub_response();
    let settings = state.settings();
    tokio::time::sleep(Duration::from_millis(settings.latency_ms)).await;
    let response = match stub {
        // As a Body, because axum adds a Content-Type to plain text.
        Some(stub) => (stub.status, stub.headers, Body::from(stub.body)).into_response(),
        None => issue(&state, &settings, &headers),
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        state.count_unauthorized();
    }
    response
}

fn issue(state: &ServerState, settings: &Settings, headers: &HeaderMap) -> Response {
    let Some(encoded) = credentials_of(headers, "Basic ") else { return unauthenticated() };
    let Some(given) = STANDARD.decode(encoded).ok().filter(|given| given.contains(&b':')) else {
        let errors = json!({"Authorization": "expected Basic base64(client_id:client_secret)"});
        return failure(StatusCode::BAD_REQUEST, "Bad request", Some(errors));
    };
    let is_given = |secret| given == format!("{}:{secret}", settings.client_id).as_bytes();
    if !settings.enabled || !settings.client_secrets.iter().any(is_given) {
        return unauthenticated();
    }
    let (access_token, ttl) = state.issue();
    (StatusCode::CREATED, Json(TokenBody { code: 201, access_token, ttl })).into_response()
}

/// Its keys are in the order of the documentation.
#[derive(Serialize)]
struct TokenBody {
    code: u16,
    access_token: String,
    ttl: u64,
}

async fn require_bearer(State(state): State<Arc<ServerState>>, request: Request, next: Next) -> Response {
    state.count_resource_request(received(request.method(), request.uri(), request.headers()));
    if credentials_of(request.headers(), "Bearer ").is_some_and(|token| state.is_live(token)) {
        return next.run(request).await;
    }
    state.count_unauthorized();
    // The body is read first: a client may lose the response of a connection that is closed before that.
    let _ = axum::body::to_bytes(request.into_body(), usize::MAX).await;
    unauthenticated()
}

fn received(method: &Method, uri: &Uri, headers: &HeaderMap) -> ReceivedRequest {
    let text = |value: &HeaderValue| Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned());
    ReceivedRequest {
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

fn get_only(data: Value) -> MethodRouter<Arc<ServerState>> {
    get(|| async { success(StatusCode::OK, data) })
}

fn post_only(data: Value) -> MethodRouter<Arc<ServerState>> {
    post(|| async { success(StatusCode::CREATED, data) })
}

fn success(status: StatusCode, data: Value) -> Response {
    (status, Json(json!({"code": status.as_u16(), "data": data}))).into_response()
}

pub fn unauthenticated() -> Response {
    failure(StatusCode::UNAUTHORIZED, "Unauthenticated", None)
}

/// Its keys are in the order of the documentation.
#[derive(Serialize)]
struct ErrorBody {
    code: u16,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Value>,
}

fn failure(status: StatusCode, message: &'static str, errors: Option<Value>) -> Response {
    (status, Json(ErrorBody { code: status.as_u16(), message, errors })).into_response()
}
