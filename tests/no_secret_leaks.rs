//! No output of the library and its dependencies contains a secret: no message, panic, Debug output or record of the
//! `log` crate, with a server that repeats the credentials in every part of its response.

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

/// This many consecutive bytes of a secret are a leak; fewer could be chance.
const FRAGMENT_BYTES: usize = 8;

static OUTPUTS: Outputs = Outputs(Mutex::new(Vec::new()));

/// Whether the logger panics during a fetch, which uses the secret.
static PANICS: AtomicBool = AtomicBool::new(false);

/// The source and the text of every output.
struct Outputs(Mutex<Vec<(String, String)>>);

impl Log for Outputs {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.record(&format!("log {} {}", record.level(), record.target()), record.args().to_string());
        let fetching = thread::current().name() == Some("bankhub-fetch");
        assert!(!(fetching && PANICS.load(Relaxed)), "the logger panics");
    }

    fn flush(&self) {}
}

impl Outputs {
    fn record(&self, source: &str, text: String) {
        self.0.lock().unwrap().push((source.to_owned(), text));
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

fn use_and_record(cache: &TokenCache) {
    OUTPUTS.record("Debug of the cache", format!("{cache:?}"));
    match cache.get_within(Duration::from_secs(5)) {
        Ok(token) => OUTPUTS.record("Debug of a token", format!("{token:?}")),
        Err(error) => OUTPUTS.record("an error", format!("{error} {error:?}")),
    }
    OUTPUTS.record("invalidate", format!("{:?}", cache.invalidate(TOKEN)));
    OUTPUTS.record("Debug of the statistics", format!("{:?}", cache.stats()));
}

#[test]
fn no_output_contains_a_secret() {
    log::set_logger(&OUTPUTS).expect("no other is set");
    log::set_max_level(LevelFilter::Trace);
    let granted: &str = Box::leak(format!("\"access_token\":\"{TOKEN}\",\"ttl\":60,").into_boxed_str());
    for (status, more) in
        [(201, granted), (201, "\"code\":401,"), (201, ""), (302, ""), (401, ""), (403, ""), (429, ""), (503, "")]
    {
        let url = serve(status, more).expect("a port is free");
        let config = Config::new("id", SECRET).base_url(url);
        OUTPUTS.record("Debug of a configuration", format!("{config:?}"));
        use_and_record(&TokenCache::new(config).expect("the settings are right"));
    }
    for wrong in [
        Config::new("id", format!("{SECRET}\n")),
        Config::new("id", SECRET).base_url(format!("https://id:{SECRET}@hub.test")),
        Config::new("id", SECRET).proxy(format!("socks5://id:{SECRET}@proxy.test")),
        Config::new("id", SECRET).store(format!("redis://:{SECRET}@redis.test")),
    ] {
        OUTPUTS.record("Debug of a refused configuration", format!("{wrong:?}"));
        OUTPUTS.record("a refused configuration", TokenCache::new(wrong).expect_err("it is wrong").to_string());
    }

    panic::set_hook(Box::new(|panic| OUTPUTS.record("a panic", panic.to_string())));
    PANICS.store(true, Relaxed);
    use_and_record(
        &TokenCache::new(Config::new("id", SECRET).base_url(serve(201, granted).expect("a port is free")))
            .expect("the settings are right"),
    );
    PANICS.store(false, Relaxed);
    let _ = panic::take_hook();

    let outputs = OUTPUTS.0.lock().unwrap();
    let basic = STANDARD.encode(format!("id:{SECRET}"));
    let percent_encoded = utf8_percent_encode(SECRET, NON_ALPHANUMERIC).to_string();
    let secrets = [SECRET.to_owned(), STANDARD.encode(SECRET), percent_encoded, basic, TOKEN.to_owned()];
    let fragments = |secret: &String| secret.as_bytes().windows(FRAGMENT_BYTES).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let fragments: Vec<_> = secrets.iter().flat_map(fragments).collect();
    let leaks =
        |text: &str| text.as_bytes().windows(FRAGMENT_BYTES).any(|part| fragments.iter().any(|one| one == part));
    let leaky: Vec<_> = outputs.iter().filter(|(_, text)| leaks(text)).collect();
    assert!(leaky.is_empty(), "{leaky:#?}");
    assert!(secrets.iter().all(|secret| leaks(&format!("so {secret}"))), "the search finds what is there");
    assert!(outputs.iter().any(|(source, _)| source == "a panic"), "a fetch panicked");
    assert!(
        outputs.iter().filter(|(source, _)| source.starts_with("log DEBUG")).count() > 8,
        "records of the dependencies were seen"
    );
}
