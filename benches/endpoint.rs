//! A token endpoint within the process that measures: it records when it answered.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bankhub::{Config, TokenCache};

/// It ends with the process.
pub struct Endpoint {
    url: String,
    answered: Arc<Mutex<Vec<Instant>>>,
}

impl Endpoint {
    /// Answers every request after `takes`, with a new token that lives for `ttl`.
    pub fn start(takes: Duration, ttl: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        let answered = Arc::<Mutex<Vec<_>>>::default();
        let log = Arc::clone(&answered);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let log = Arc::clone(&log);
                thread::spawn(move || answer(connection?, takes, ttl, &log));
            }
        });
        Ok(Self { url, answered })
    }

    /// A cache of its own, without a token.
    pub fn cache(&self) -> TokenCache {
        let config = Config::new("id", "secret").base_url(&self.url);
        TokenCache::new(config).expect("the settings are right")
    }

    /// The `base_url` of a configuration.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// When each request so far was answered: just before the response was sent.
    pub fn answered(&self) -> Vec<Instant> {
        self.answered.lock().expect("no thread panics with it").clone()
    }
}

fn answer(connection: TcpStream, takes: Duration, ttl: Duration, log: &Mutex<Vec<Instant>>) -> io::Result<()> {
    let mut reader = BufReader::new(&connection);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    thread::sleep(takes);
    let mut log = log.lock().expect("no thread panics with it");
    let body = format!(r#"{{"code":201,"access_token":"{:040}","ttl":{}}}"#, log.len(), ttl.as_secs());
    let length = body.len();
    let answer =
        format!("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
    log.push(Instant::now());
    (&connection).write_all(answer.as_bytes())
}
