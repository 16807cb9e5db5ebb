//! Everything that is ever said, by the library and by what it depends on, holds no secret: messages, panics, Debug
//! outputs and the `log` crate's records, with a server that repeats what it was sent wherever an answer has room for
//! it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use bankhub::{Config, TokenCache};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use log::{LevelFilter, Log, Metadata, Record};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

const SECRET: &str = "Zx8K/q2Lm+Vw4R=t7Yb";
const TOKEN: &str = "9Jd3pXs6Hc1nGf5uQe8aWk2vBz4yTm7r";

/// So much of a secret in a row is a leak; less could be chance.
const FRAGMENT_BYTES: usize = 8;

static SAID: Said = Said(Mutex::new(Vec::new()));

/// Whether the logger panics in a fetch, which has the secret at hand.
static PANICS: AtomicBool = AtomicBool::new(false);

/// Who said something, and what.
struct Said(Mutex<Vec<(String, String)>>);

impl Log for Said {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.hear(&format!("log {} {}", record.level(), record.target()), record.args().to_string());
        let fetching = thread::current().name() == Some("bankhub-fetch");
        assert!(!(fetching && PANICS.load(Relaxed)), "the logger panics");
    }

    fn flush(&self) {}
}

impl Said {
    fn hear(&self, who: &str, text: String) {
        self.0.lock().unwrap().push((who.to_owned(), text));
    }
}

/// Repeats the Authorization header in reason phrase, headers and body; `status` and `more` are its own.
fn serve(status: u16, more: &'static str) -> io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || listener.incoming().try_for_each(|connection| echo(&connection?, status, more)));
    Ok(url)
}

fn echo(mut connection: &TcpStream, status: u16, more: &str) -> io::Result<()> {
    let mut sent = String::new();
    for line in BufReader::new(connection).lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        sent = line.strip_prefix("authorization: ").map_or(sent, str::to_owned);
    }
    let body = format!("{{{more}\"echo\":\"{sent}\"}}");
    let length = body.len();
    write!(connection, "HTTP/1.1 {status} {sent}\r\nX-Echo: {sent}\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn listen_to(cache: &TokenCache) {
    SAID.hear("Debug of the cache", format!("{cache:?}"));
    match cache.get_within(Duration::from_secs(5)) {
        Ok(token) => SAID.hear("Debug of a token", format!("{token:?}")),
        Err(error) => SAID.hear("an error", format!("{error} {error:?}")),
    }
    SAID.hear("invalidate", format!("{:?}", cache.invalidate(TOKEN)));
    SAID.hear("Debug of the statistics", format!("{:?}", cache.stats()));
}

#[test]
fn no_secret_is_ever_said() {
    log::set_logger(&SAID).expect("no other is set");
    log::set_max_level(LevelFilter::Trace);
    let granted: &str = Box::leak(format!("\"access_token\":\"{TOKEN}\",\"ttl\":60,").into_boxed_str());
    for (status, more) in
        [(201, granted), (201, "\"code\":401,"), (201, ""), (302, ""), (401, ""), (403, ""), (429, ""), (503, "")]
    {
        let url = serve(status, more).expect("a port is free");
        let config = Config::new("id", SECRET).base_url(url);
        SAID.hear("Debug of a configuration", format!("{config:?}"));
        listen_to(&TokenCache::new(config).expect("the settings are right"));
    }
    for wrong in [
        Config::new("id", format!("{SECRET}\n")),
        Config::new("id", SECRET).base_url(format!("https://id:{SECRET}@hub.test")),
        Config::new("id", SECRET).proxy(format!("socks5://id:{SECRET}@proxy.test")),
        Config::new("id", SECRET).store(format!("redis://:{SECRET}@redis.test")),
    ] {
        SAID.hear("Debug of a refused configuration", format!("{wrong:?}"));
        SAID.hear("a refused configuration", TokenCache::new(wrong).expect_err("it is wrong").to_string());
    }

    panic::set_hook(Box::new(|panic| SAID.hear("a panic", panic.to_string())));
    PANICS.store(true, Relaxed);
    listen_to(
        &TokenCache::new(Config::new("id", SECRET).base_url(serve(201, granted).expect("a port is free")))
            .expect("the settings are right"),
    );
    PANICS.store(false, Relaxed);
    let _ = panic::take_hook();

    let said = SAID.0.lock().unwrap();
    let basic = STANDARD.encode(format!("id:{SECRET}"));
    let percent_encoded = utf8_percent_encode(SECRET, NON_ALPHANUMERIC).to_string();
    let secrets = [SECRET.to_owned(), STANDARD.encode(SECRET), percent_encoded, basic, TOKEN.to_owned()];
    let fragments = |secret: &String| secret.as_bytes().windows(FRAGMENT_BYTES).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let fragments: Vec<_> = secrets.iter().flat_map(fragments).collect();
    let leaks =
        |text: &str| text.as_bytes().windows(FRAGMENT_BYTES).any(|part| fragments.iter().any(|one| one == part));
    let leaky: Vec<_> = said.iter().filter(|(_, text)| leaks(text)).collect();
    assert!(leaky.is_empty(), "{leaky:#?}");
    assert!(secrets.iter().all(|secret| leaks(&format!("so {secret}"))), "the search finds what is there");
    assert!(said.iter().any(|(who, _)| who == "a panic"), "a fetch panicked");
    assert!(said.iter().filter(|(who, _)| who.starts_with("log DEBUG")).count() > 8, "the dependencies were heard");
}
