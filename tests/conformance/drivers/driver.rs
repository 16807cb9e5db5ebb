//! The conformance driver for Rust (../PROTOCOL.md): reads requests, makes the calls, prints the replies.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, UNIX_EPOCH};

use bankhub::ffi::*;
use bankhub::{AccessToken, Config, Error, TokenCache};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

fn main() -> io::Result<()> {
    let mut driver = Driver { caches: HashMap::new(), started: Vec::new() };
    println!("ready rust");
    for line in io::stdin().lines() {
        let words: Vec<String> = line?.split(' ').map(decode).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        println!("{}", driver.reply(&words).unwrap_or_else(failure));
    }
    Ok(())
}

struct Driver {
    caches: HashMap<String, Arc<TokenCache>>,
    started: Vec<JoinHandle<String>>,
}

impl Driver {
    fn reply(&mut self, words: &[&str]) -> Result<String, Error> {
        match *words {
            ["layout"] => Ok(layout()),
            ["new", name, ref settings @ ..] => {
                self.caches.insert(name.to_owned(), Arc::new(TokenCache::new(config(settings))?));
                Ok("ok".to_owned())
            }
            ["from_env", name] => {
                self.caches.insert(name.to_owned(), Arc::new(TokenCache::from_env()?));
                Ok("ok".to_owned())
            }
            ["get", name, timeout] => plain(&self.caches[name], timeout),
            ["token", name, timeout] => {
                let token = get(&self.caches[name], timeout)?;
                let end = token.expires_at().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                Ok(format!("{} generation={} expires_at={end}", value(&token), token.generation()))
            }
            ["start", name, count, timeout] => {
                for _ in 0..count.parse().unwrap_or(0) {
                    let (cache, timeout) = (Arc::clone(&self.caches[name]), timeout.to_owned());
                    self.started.push(thread::spawn(move || plain(&cache, &timeout).unwrap_or_else(failure)));
                }
                Ok("ok".to_owned())
            }
            ["join"] => {
                let head = format!("ok count={}", self.started.len());
                Ok(self.started.drain(..).fold(head, |lines, thread| lines + "\n" + &thread.join().expect("no panic")))
            }
            ["generation", name] => Ok(format!("ok generation={}", self.caches[name].generation())),
            ["invalidate", name, ref token @ ..] => {
                self.caches[name].invalidate(token.first().unwrap_or(&"")).map(|()| "ok".to_owned())
            }
            ["stats", name] => stats(&self.caches[name]),
            ["close", name] => {
                self.caches[name].close();
                Ok("ok".to_owned())
            }
            _ => Ok("unknown".to_owned()),
        }
    }
}

fn config(settings: &[&str]) -> Config {
    let settings = || settings.iter().filter_map(|setting| setting.split_once('='));
    let text = |key| settings().find(|(given, _)| *given == key).map_or("", |(_, value)| value);
    settings().fold(Config::new(text("client_id"), text("client_secret")), |config, (key, value)| {
        let number = value.parse().unwrap_or(0);
        match key {
            "base_url" => config.base_url(value),
            "ca_file" => config.ca_file(value),
            "proxy" => config.proxy(value),
            "store" => config.store(value),
            "connect_timeout_ms" => config.connect_timeout(Duration::from_millis(number)),
            "request_timeout_ms" => config.request_timeout(Duration::from_millis(number)),
            "get_timeout_ms" => config.get_timeout(Duration::from_millis(number)),
            "refresh_ahead_s" => config.refresh_ahead(Duration::from_secs(number)),
            "allow_http" => config.allow_http(number == 1),
            _ => config,
        }
    })
}

fn get(cache: &TokenCache, timeout: &str) -> Result<AccessToken, Error> {
    timeout.parse().map_or_else(|_| cache.get(), |timeout| cache.get_within(Duration::from_millis(timeout)))
}

fn plain(cache: &TokenCache, timeout: &str) -> Result<String, Error> {
    get(cache, timeout).map(|token| value(&token))
}

fn value(token: &AccessToken) -> String {
    format!("ok value={}", encode(token.value()))
}

fn stats(cache: &TokenCache) -> Result<String, Error> {
    let s = cache.stats()?;
    let mut line = "ok".to_owned();
    macro_rules! put { ($($field:ident)*) => { $(line += &format!(" {}={}", stringify!($field), s.$field);)* } }
    put!(generation expires_at refresh_at next_attempt_at last_success_at last_failure_at requests successes failures);
    put!(consecutive_failures rejections ignored_rejections waiters);
    let (status, http, text) = s
        .last_error
        .map_or((0, 0, String::new()), |e| (e.status() as i32, e.http_status().unwrap_or(0), e.message().to_owned()));
    line += &format!(" fetching={} last_error.status={status} last_error.http_status={http}", u32::from(s.fetching));
    Ok(format!("{line} last_error.message={}", encode(&text)))
}

fn failure(error: Error) -> String {
    let retry_after = error.retry_after().unwrap_or_default().as_micros().div_ceil(1000);
    let (kind, http_status) = (error.status(), error.http_status().unwrap_or(0));
    let numbers = format!("status={} http_status={http_status} retry_after_ms={retry_after}", kind as i32);
    format!("error {numbers} type={kind:?} message={}", encode(error.message()))
}

fn layout() -> String {
    let mut line = "ok".to_owned();
    macro_rules! put { ($($kind:ident $name:expr, $value:expr;)*) => {
        $(line += &format!(concat!(" ", stringify!($kind), ".{}={}"), $name, $value);)*
    } }
    macro_rules! structs { ($($name:ident { $($field:ident)* })*) => { $(
        put!(sizeof stringify!($name), size_of::<$name>();
             $(offsetof concat!(stringify!($name), ".", stringify!($field)), std::mem::offset_of!($name, $field);)*);
    )* } }
    macro_rules! consts { ($($name:ident)*) => { put!($(const stringify!($name), $name;)*) } }
    structs!(bankhub_config { size client_id client_secret base_url ca_file proxy store connect_timeout_ms
        request_timeout_ms get_timeout_ms refresh_ahead_s flags reserved }
        bankhub_access_token { generation expires_at reserved length value }
        bankhub_error { status http_status retry_after_ms reserved message }
        bankhub_stats { size generation expires_at refresh_at next_attempt_at last_success_at last_failure_at requests
            successes failures consecutive_failures rejections ignored_rejections waiters fetching reserved
            last_error });
    consts!(BANKHUB_ABI_MAJOR BANKHUB_ABI_MINOR BANKHUB_ALLOW_HTTP BANKHUB_TOKEN_CAPACITY BANKHUB_MESSAGE_CAPACITY
        BANKHUB_TIMEOUT_DEFAULT BANKHUB_OK BANKHUB_INVALID_ARGUMENT BANKHUB_UNAUTHENTICATED BANKHUB_RATE_LIMITED
        BANKHUB_UNAVAILABLE BANKHUB_BAD_RESPONSE BANKHUB_DEADLINE BANKHUB_CLOSED BANKHUB_INTERNAL);
    let urls = (encode(bankhub::SANDBOX_URL), encode(bankhub::PRODUCTION_URL));
    format!("{line} const.BANKHUB_SANDBOX_URL={} const.BANKHUB_PRODUCTION_URL={}", urls.0, urls.1)
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn decode(word: &str) -> String {
    percent_decode_str(word).decode_utf8_lossy().into_owned()
}
