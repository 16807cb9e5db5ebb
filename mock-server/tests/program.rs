//! The program as a whole, over real HTTP: its responses, its control paths and its counters.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;

const CREDENTIALS: &str = "Basic bW9jay1pZDptb2NrLXNlY3JldA==";
/// Far longer than any step of these tests takes.
const DEADLINE: Duration = Duration::from_secs(5);
const UNAUTHENTICATED: &str = r#"{"code":401,"message":"Unauthenticated"}"#;

struct MockServer {
    process: Child,
    url: String,
    agent: Agent,
}

impl MockServer {
    fn start(options: &[&str]) -> Self {
        Self::start_with(Stdio::piped(), &[options, &["--until-eof"]].concat())
    }

    fn start_with(input: Stdio, options: &[&str]) -> Self {
        let program = env!("CARGO_BIN_EXE_bankhub-mock-server");
        let mut command = Command::new(program);
        command.args(options).stdin(input).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the program starts");
        let mut url = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut url).expect("its address");
        let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
        Self { process, url: url.trim().to_owned(), agent }
    }

    /// Status and body.
    fn post(&self, path: &str, authorization: &str, body: &str) -> (u16, String) {
        let request = self.agent.post(format!("{}{path}", self.url)).header("Authorization", authorization);
        let mut response = request.send(body).expect("a response");
        (response.status().as_u16(), response.body_mut().read_to_string().expect("text"))
    }

    fn get(&self, path: &str, authorization: &str) -> (u16, String) {
        let request = self.agent.get(format!("{}{path}", self.url)).header("Authorization", authorization);
        let mut response = request.call().expect("a response");
        (response.status().as_u16(), response.body_mut().read_to_string().expect("text"))
    }

    #[track_caller]
    fn control(&self, path: &str, body: Value) {
        assert_eq!(self.post(path, "", &body.to_string()), (204, String::new()), "{path}");
    }

    #[track_caller]
    fn token(&self) -> String {
        let (status, body) = self.post("/v1/token", CREDENTIALS, "");
        assert_eq!(status, 201, "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        body["access_token"].as_str().expect("a token").to_owned()
    }

    fn company(&self, token: &str) -> u16 {
        self.get("/v1/company", &format!("Bearer {token}")).0
    }

    fn counters(&self) -> Value {
        serde_json::from_str(&self.get("/mock/counters", "").1).expect("JSON")
    }

    #[track_caller]
    fn until(&self, counter: &str, count: u64) {
        let waiting = Instant::now();
        while self.counters()[counter] != count {
            assert!(waiting.elapsed() < DEADLINE, "{counter} is not {count}: {}", self.counters());
        }
    }

    #[track_caller]
    fn ended(&mut self) -> ExitStatus {
        let waiting = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("its status") {
                return status;
            }
            assert!(waiting.elapsed() < DEADLINE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

#[test]
fn token_endpoint_responds_as_documented() {
    let mock_server = MockServer::start(&["--ttl", "77"]);
    let token = mock_server.token();
    assert!(token.len() == 40 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    assert_ne!(token, mock_server.token());
    let (_, body) = mock_server.post("/v1/token", CREDENTIALS, "");
    assert!(body.starts_with(r#"{"code":201,"access_token":""#) && body.ends_with(r#"","ttl":77}"#), "{body}");

    for (authorization, status, expected) in [
        ("", 401, UNAUTHENTICATED),
        ("Bearer abc", 401, UNAUTHENTICATED),
        ("Basic bW9jay1pZDp3cm9uZw==", 401, UNAUTHENTICATED),
        ("Basic %%%", 400, r#"{"code":400,"message":"Bad request","errors":{"Authorization":""#),
        ("Basic bm9jb2xvbg==", 400, r#"{"code":400,"message":"Bad request","errors":{"Authorization":""#),
    ] {
        let (actual, body) = mock_server.post("/v1/token", authorization, "");
        assert!(actual == status && body.starts_with(expected), "{authorization}: {actual} {body}");
    }
    let not_found = (404, r#"{"code":404,"message":"Resource not found"}"#.to_owned());
    assert_eq!(mock_server.get("/v1/nothing", ""), not_found);
    assert_eq!(mock_server.get("/v1/token", ""), (405, r#"{"code":405,"message":"Method not allowed"}"#.to_owned()));
    let refused = mock_server.agent.get(format!("{}/v1/token", mock_server.url)).call().expect("a response");
    assert_eq!(refused.headers()["allow"], "POST");
}

#[test]
fn resources_require_a_live_token() {
    let mock_server = MockServer::start(&[]);
    let (first, second) = (mock_server.token(), mock_server.token());
    for path in ["/v1/company", "/v1/bank-account", "/v1/transaction", "/v1/webhook", "/v1/merchant-config"] {
        assert_eq!(mock_server.get(path, "Bearer made-up"), (401, UNAUTHENTICATED.to_owned()), "{path}");
        assert_eq!(mock_server.get(path, &format!("Bearer {first}")).0, 200, "{path}");
    }
    for path in ["/v1/link-token/create", "/v1/webhook", "/v1/merchant-config"] {
        assert_eq!(mock_server.post(path, "", "{}").0, 401, "{path}");
        assert_eq!(mock_server.post(path, &format!("Bearer {second}"), "{}").0, 201, "{path}");
    }
    mock_server.control("/mock/revoke", json!({}));
    assert_eq!((mock_server.company(&first), mock_server.company(&second)), (401, 401));
    let third = mock_server.token();
    assert_eq!(mock_server.company(&third), 200);
}

#[test]
fn token_ends_with_its_ttl() {
    let mock_server = MockServer::start(&["--ttl", "1"]);
    let token = mock_server.token();
    assert_eq!(mock_server.company(&token), 200);
    let waiting = Instant::now();
    while mock_server.company(&token) == 200 {
        assert!(waiting.elapsed() < DEADLINE, "a token of 1 s is still live");
    }
    assert!(waiting.elapsed() > Duration::from_millis(500), "a token of 1 s ended at once");
}

#[test]
fn settings_apply_until_reset() {
    let mock_server = MockServer::start(&["--ttl", "77"]);
    mock_server.control("/mock/settings", json!({"ttl": 88}));
    mock_server.control("/mock/settings", json!({"latency_ms": 200}));
    let waiting = Instant::now();
    let (_, body) = mock_server.post("/v1/token", CREDENTIALS, "");
    assert!(waiting.elapsed() >= Duration::from_millis(200), "no latency");
    assert!(body.ends_with(r#""ttl":88}"#), "{body}");
    mock_server.control("/mock/reset", json!({}));
    let (_, body) = mock_server.post("/v1/token", CREDENTIALS, "");
    assert!(body.ends_with(r#""ttl":77}"#), "{body}");
}

#[test]
fn accepts_credentials_and_port() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let port = free.port().to_string();
    let mock_server = MockServer::start(&["--port", &port, "--client-id", "other", "--client-secret", "s:ecret"]);
    assert_eq!(mock_server.url, format!("http://{free}"));
    assert_eq!(mock_server.post("/v1/token", CREDENTIALS, "").0, 401);
    assert_eq!(mock_server.post("/v1/token", "basic b3RoZXI6czplY3JldA==", "").0, 201);
}

#[test]
fn new_token_ends_the_old_one_with_end_old_token() {
    let mock_server = MockServer::start(&[]);
    mock_server.control("/mock/settings", json!({"end_old_token": true}));
    let (old, new) = (mock_server.token(), mock_server.token());
    assert_eq!((mock_server.company(&old), mock_server.company(&new)), (401, 200));
}

#[test]
fn disables_credentials() {
    let mock_server = MockServer::start(&[]);
    mock_server.control("/mock/credentials", json!({"enabled": false}));
    assert_eq!(mock_server.post("/v1/token", CREDENTIALS, ""), (401, UNAUTHENTICATED.to_owned()));
    mock_server.control("/mock/credentials", json!({"enabled": true}));
    mock_server.token();
}

#[test]
fn accepts_several_secrets_while_they_are_rotated() {
    let mock_server = MockServer::start(&[]);
    let statuses = || {
        ["Basic bW9jay1pZDptb2NrLXNlY3JldA==", "Basic bW9jay1pZDpuZXc="] // mock-id:mock-secret, mock-id:new
            .map(|credentials| mock_server.post("/v1/token", credentials, "").0)
    };
    assert_eq!(statuses(), [201, 401]);
    mock_server.control("/mock/credentials", json!({"secrets": ["mock-secret", "new"]}));
    assert_eq!(statuses(), [201, 201]);
    mock_server.control("/mock/credentials", json!({"secrets": ["new"]}));
    assert_eq!(statuses(), [401, 201]);
}

#[test]
fn sends_stub_responses_in_order_and_then_tokens() {
    let mock_server = MockServer::start(&[]);
    mock_server
        .control("/mock/responses", json!({"count": 2, "status": 503, "body": "<html>", "headers": {"X-Made": "up"}}));
    mock_server.control("/mock/responses", json!({"count": 1, "status": 418}));
    let responses: Vec<_> = (0..3).map(|_| mock_server.post("/v1/token", CREDENTIALS, "")).collect();
    let (busy, teapot) = ((503, "<html>".to_owned()), (418, String::new()));
    assert_eq!(responses, [busy.clone(), busy, teapot]);
    mock_server.token();
}

#[test]
fn stub_response_has_only_its_own_headers() {
    let mock_server = MockServer::start(&[]);
    let url = format!("{}/v1/token", mock_server.url);
    for (headers, content_type) in [
        (json!({"Retry-After": "5"}), None),
        (json!({"Retry-After": "5", "Content-Type": "text/html"}), Some("text/html")),
    ] {
        mock_server
            .control("/mock/responses", json!({"count": 1, "status": 503, "body": "<html>", "headers": headers}));
        let response = mock_server.agent.post(&url).send_empty().expect("a response");
        let header = |name| response.headers().get(name).map(|value| value.to_str().expect("text"));
        assert_eq!((header("retry-after"), header("content-type")), (Some("5"), content_type));
    }
}

/// Sends the request on a new connection and returns all bytes that come back.
fn exchange(mock_server: &MockServer, request: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect(mock_server.url.trim_start_matches("http://"))?;
    connection.set_read_timeout(Some(DEADLINE))?;
    connection.write_all(request.as_bytes())?;
    let mut response = String::new();
    connection.read_to_string(&mut response)?;
    Ok(response)
}

#[test]
fn raw_faults_affect_token_requests_only() {
    let mock_server = MockServer::start(&[]);
    let steps = json!([
        {"send": "a"},
        {"repeat": {"text": "bc", "times": 2}},
        {"pause_ms": 1},
        {"drip": {"text": "de", "every_ms": 1}},
    ]);
    mock_server.control("/mock/raw-faults", json!({"count": 2, "steps": steps}));
    mock_server.control("/mock/raw-faults", json!({"count": 1, "steps": ["reset"]}));
    let other = exchange(&mock_server, "GET /v1/company HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(other.expect("a response").starts_with("HTTP/1.1 401"));
    let request = "POST /v1/token HTTP/1.1\r\nHost: x\r\nX-Odd:  y \r\n\r\n";
    for _ in 0..2 {
        assert_eq!(exchange(&mock_server, request).expect("the bytes of the steps"), "abcbcde");
    }
    assert_eq!(exchange(&mock_server, request).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    mock_server.token();

    let counters = mock_server.counters();
    assert_eq!((&counters["token_requests"], &counters["tokens_issued"]), (&json!(4), &json!(1)));
}

#[test]
fn counts_a_request_that_got_a_raw_fault() {
    let mock_server = MockServer::start(&[]);
    mock_server.control("/mock/raw-faults", json!({"count": 1, "steps": []}));
    let request = "POST /v1/token HTTP/1.1\r\nHost: x\r\nX-Odd:  y \r\n\r\n";
    assert_eq!(exchange(&mock_server, request).expect("no reset"), "");
    let last = &mock_server.counters()["last_token_request"];
    assert_eq!((&last["method"], &last["path"]), (&json!("POST"), &json!("/v1/token")));
    assert_eq!(last["headers"], json!({"host": "x", "x-odd": "y"}));
}

#[test]
fn tls_prints_its_ports_and_writes_its_authority() {
    let file = std::env::temp_dir().join(format!("bankhub-mock-server-{}.pem", std::process::id()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_bankhub-mock-server"));
    command.arg("--tls").arg(&file).arg("--until-eof").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().expect("the program starts");
    let output = BufReader::new(process.stdout.take().expect("piped"));
    let names: Vec<_> = output.lines().skip(1).take(4).map(|line| line.expect("a line")).collect();
    let pem = std::fs::read_to_string(&file).expect("the file was written");
    drop(process.stdin.take());
    process.wait().expect("it ends");
    std::fs::remove_file(&file).expect("the file exists");
    for (line, name) in names.iter().zip(["right", "wrong-host", "expired", "self-signed"]) {
        assert!(line.starts_with(&format!("{name} https://localhost:")), "{line}");
    }
    assert_eq!(names.len(), 4);
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
}

#[test]
fn http_test_routes_require_a_token() {
    let mock_server = MockServer::start(&[]);
    let bearer = format!("Bearer {}", mock_server.token());
    assert_eq!(mock_server.get("/v1/mock/slow?ms=0", "Bearer x").0, 401);
    assert_eq!(mock_server.get("/v1/mock/slow?ms=0", &bearer).0, 200);
    assert_eq!(mock_server.get("/v1/mock/unauthorized", &bearer), (401, UNAUTHENTICATED.to_owned()));
    assert_eq!(mock_server.get("/v1/mock/cookie?value=1", &bearer), (401, UNAUTHENTICATED.to_owned()));
    assert_eq!(mock_server.post("/v1/mock/echo", &bearer, "twice"), (200, "twice".to_owned()));
    assert_eq!(mock_server.get("/v1/mock/stream?chunks=3&every_ms=1", &bearer).1, "chunk\n".repeat(3));
    assert_eq!(mock_server.post("/v1/mock/arrival", &bearer, "12345").1, r#"{"length":5,"spread_ms":0}"#);
    assert_eq!(mock_server.get("/v1/mock/redirect?to=/v1/company&status=200", &bearer).0, 400);
    mock_server.get("/v1/mock/redirect?to=/v1/company", &bearer);
    assert_eq!(mock_server.counters()["last_resource_request"]["path"], "/v1/company");
}

#[test]
fn wants_the_cookie_of_its_401() {
    let mock_server = MockServer::start(&[]);
    let url = format!("{}/v1/mock/cookie?value=1", mock_server.url);
    let bearer = format!("Bearer {}", mock_server.token());
    let with_token =
        |cookie: &str| mock_server.agent.get(&url).header("Authorization", &bearer).header("Cookie", cookie);
    let response = with_token("mock=2").call().expect("a response");
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["set-cookie"], "mock=1; Path=/v1/; HttpOnly");
    let response = with_token("other=1; mock=1").call().expect("a response");
    assert_eq!(response.status(), 200);
}

#[test]
fn keeps_the_last_resource_request_with_its_headers() {
    let mock_server = MockServer::start(&[]);
    assert_eq!(mock_server.counters()["last_resource_request"], Value::Null);
    mock_server.company("x");
    let request = &mock_server.counters()["last_resource_request"];
    assert_eq!((&request["method"], &request["path"]), (&json!("GET"), &json!("/v1/company")));
    assert_eq!(request["headers"]["authorization"], "Bearer x");
}

#[test]
fn counts_requests_until_reset() {
    let mock_server = MockServer::start(&["--latency-ms", "300"]);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| mock_server.token());
        }
    });
    mock_server.post("/v1/token", "Basic eA==", "12345");
    mock_server.company("made-up");
    let counters = mock_server.counters();
    let last = &counters["last_token_request"];
    assert_eq!(counters["token_requests"], 4);
    assert_eq!(counters["token_requests_at_once_max"], 3);
    assert_eq!(counters["tokens_issued"], 3);
    assert_eq!(counters["unauthorized"], 1);
    assert_eq!(counters["resource_requests"], 1);
    assert_eq!(
        (&last["method"], &last["path"], &last["body_length"]),
        (&json!("POST"), &json!("/v1/token"), &json!(5))
    );
    assert_eq!(last["headers"]["authorization"], "Basic eA==");

    mock_server.control("/mock/reset", json!({}));
    let counters = mock_server.counters();
    assert_eq!((&counters["token_requests"], &counters["last_token_request"]), (&json!(0), &Value::Null));
}

#[test]
fn reset_forgets_requests_in_flight() {
    let mock_server = MockServer::start(&[]);
    std::thread::scope(|scope| {
        mock_server.control("/mock/settings", json!({"latency_ms": 500}));
        let before = scope.spawn(|| mock_server.token());
        mock_server.until("token_requests", 1);
        mock_server.control("/mock/reset", json!({}));
        mock_server.control("/mock/settings", json!({"latency_ms": 2_000}));
        scope.spawn(|| mock_server.token());
        mock_server.until("token_requests", 1);
        before.join().expect("a token");
        mock_server.token();
    });
    assert_eq!(mock_server.counters()["token_requests_at_once_max"], 2);
}

#[test]
fn rejects_a_wrong_control_request() {
    let mock_server = MockServer::start(&[]);
    for (path, body, problem) in [
        ("/mock/settings", r#"{"ttl":-1}"#, "-1"),
        ("/mock/settings", r#"{"time":1}"#, "unknown field `time`"),
        ("/mock/credentials", r#"{"secret":"x"}"#, "unknown field `secret`"),
        ("/mock/responses", r#"{"count":1,"status":199}"#, "status is 199"),
        ("/mock/responses", r#"{"count":1,"status":1000}"#, "status is 1000"),
        ("/mock/responses", r#"{"count":100001,"status":500}"#, "count is 100001"),
        ("/mock/responses", r#"{"count":1,"status":500,"headers":{"a b":"c"}}"#, "'a b' is no header name"),
        ("/mock/responses", r#"{"count":1,"status":500,"headers":{"Content-Length":"9"}}"#, "'content-length'"),
        ("/mock/responses", r#"{"count":1,"status":500,"headers":{"Transfer-Encoding":"x"}}"#, "'transfer-encoding'"),
        ("/mock/responses", "", "EOF"),
        ("/mock/raw-faults", r#"{"count":1,"steps":[{"sent":"x"}]}"#, "unknown variant `sent`"),
        ("/mock/raw-faults", r#"{"count":100001,"steps":[]}"#, "count is 100001"),
    ] {
        let (status, text) = mock_server.post(path, "", body);
        assert!(status == 400 && text.contains(problem), "{path} {body}: {status} {text}");
    }
    mock_server.token();
}

#[test]
fn names_a_wrong_option() {
    let program = env!("CARGO_BIN_EXE_bankhub-mock-server");
    for (options, problem) in [
        (["--ttl", "soon"], "soon"),
        (["--time", "1"], "--time"),
        (["--address", "0.0.0.0"], "not an address of loopback"),
        (["--address", "here"], "no IP address"),
    ] {
        let output = Command::new(program).args(options).output().expect("the program starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(problem), "{options:?}: {text}");
    }
}

#[test]
fn ends_with_its_input() {
    let mut mock_server = MockServer::start(&[]);
    drop(mock_server.process.stdin.take());
    assert!(mock_server.ended().success());
}

#[test]
fn outlives_its_input_without_until_eof() {
    // The latency gives the end of the input time to end the program.
    let mock_server = MockServer::start_with(Stdio::null(), &["--latency-ms", "300"]);
    mock_server.token();
}

#[test]
fn ends_on_a_signal_while_its_input_is_open() {
    for signal in ["-TERM", "-INT"] {
        let mut mock_server = MockServer::start(&[]);
        let input = mock_server.process.stdin.take();
        let sent =
            Command::new("kill").args([signal, &mock_server.process.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        assert!(mock_server.ended().success(), "{signal}");
        drop(input);
    }
}
