//! The ways to read a token that are compared: this library from Rust and from C, the least that any cache must do, and
//! what a Rust program would write by itself. The token has 40 characters, and the caller gets a copy.

use std::error::Error;
use std::ffi::{CString, c_char, c_int};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bankhub::{Config, TokenCache};
use endpoint::Endpoint;
use parking_lot::{Mutex, RwLock};

/// Reads a token this many times.
pub(crate) type Reader = Box<dyn Fn(u64) + Sync>;

unsafe extern "C" {
    fn hot_open(path: *const c_char, base_url: *const c_char, store: *const c_char) -> c_int;
    safe fn hot_get(calls: u64) -> c_int;
    safe fn hot_get_with_store(calls: u64) -> c_int;
    safe fn hot_generation(calls: u64) -> c_int;
    safe fn limit_clocks(calls: u64) -> c_int;
    safe fn limit_clocks_and_copy(calls: u64) -> c_int;
}

pub(crate) fn clocks() -> Reader {
    from_c(limit_clocks)
}

pub(crate) fn clocks_and_copy() -> Reader {
    from_c(limit_clocks_and_copy)
}

/// `bankhub_token_generation`, `bankhub_token_get`, and `bankhub_token_get` with a store, as a C program calls them in
/// the shared library.
pub(crate) fn shared_library(path: &Path, endpoint: &Endpoint, store: &str) -> Result<[Reader; 3], Box<dyn Error>> {
    let (path, url) = (CString::new(path.as_os_str().as_encoded_bytes())?, CString::new(endpoint.url())?);
    let store_url = CString::new(store)?;
    // SAFETY: all are NUL-terminated, and no other thread calls the C side yet.
    if unsafe { hot_open(path.as_ptr(), url.as_ptr(), store_url.as_ptr()) } != 0 {
        return Err(format!("{path:?} has no token from {url:?}").into());
    }
    let requests = endpoint.answered().len();
    TokenCache::new(Config::new("id", "secret").base_url(endpoint.url()).store(store))?.get()?;
    assert_eq!(endpoint.answered().len(), requests, "the token is in the store");
    Ok([from_c(hot_generation), from_c(hot_get), from_c(hot_get_with_store)])
}

fn from_c(read: extern "C" fn(u64) -> c_int) -> Reader {
    Box::new(move |calls| assert_eq!(read(calls), 0))
}

/// `TokenCache::get` and `TokenCache::generation`.
pub(crate) fn rust(cache: &'static TokenCache) -> [Reader; 2] {
    let get = move |calls| {
        for _ in 0..calls {
            black_box(cache.get().expect("it has a token"));
        }
    };
    let generation = move |calls| {
        for _ in 0..calls {
            assert_ne!(black_box(cache.generation()), 0);
        }
    };
    [Box::new(get), Box::new(generation)]
}

/// A token, and when it ends by a precise clock.
struct CurrentToken {
    value: String,
    end: Instant,
}

impl CurrentToken {
    fn new() -> Self {
        Self { value: "0".repeat(40), end: Instant::now() + Duration::from_secs(3600) }
    }

    fn copy_to(&self, buffer: &mut [u8; 40]) -> bool {
        buffer.copy_from_slice(self.value.as_bytes());
        Instant::now() < self.end
    }
}

pub(crate) fn mutex() -> Reader {
    let current = Mutex::new(CurrentToken::new());
    repeated(move |buffer| current.lock().copy_to(buffer))
}

pub(crate) fn rw_lock() -> Reader {
    let current = RwLock::new(CurrentToken::new());
    repeated(move |buffer| current.read().copy_to(buffer))
}

pub(crate) fn arc_swap() -> Reader {
    let current = ArcSwap::from_pointee(CurrentToken::new());
    repeated(move |buffer| current.load().copy_to(buffer))
}

fn repeated(read: impl Fn(&mut [u8; 40]) -> bool + Sync + 'static) -> Reader {
    Box::new(move |calls| {
        let mut buffer = [0; 40];
        for _ in 0..calls {
            assert!(read(black_box(&mut buffer)));
        }
    })
}
