//! Handles never dangle: freed, freed twice, freed under running calls, used again, or made up, each is a status.
//! Through the C ABI, against the mock server.

mod mock_server;

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{ptr, thread};

use bankhub::ffi::*;
use mock_server::MockServer;

fn open(mock_server: &MockServer) -> *mut bankhub_token {
    let base_url = format!("{}\0", mock_server.url);
    let config = bankhub_config {
        size: size_of::<bankhub_config>(),
        client_id: c"mock-id".as_ptr(),
        client_secret: c"mock-secret".as_ptr(),
        base_url: base_url.as_ptr().cast(),
        ca_file: ptr::null(),
        proxy: ptr::null(),
        store: ptr::null(),
        connect_timeout_ms: 0,
        request_timeout_ms: 0,
        get_timeout_ms: 0,
        refresh_ahead_s: 0,
        flags: 0,
        reserved: 0,
    };
    let mut handle = ptr::null_mut();
    // SAFETY: all pointers are valid for the call.
    #[allow(unsafe_code)]
    let status = unsafe { bankhub_token_new(&config, &mut handle, ptr::null_mut()) };
    assert_eq!(status, BANKHUB_OK);
    handle
}

/// Status and token of one call; without a wait where there is no token.
#[allow(unsafe_code)]
fn get(handle: *const bankhub_token, timeout_ms: u32) -> (bankhub_status, String) {
    let mut token = MaybeUninit::<bankhub_access_token>::uninit();
    // SAFETY: all pointers are valid for the call, which writes length and value in every case; bytes are bytes.
    unsafe {
        token.as_mut_ptr().write_bytes(b'x', 1);
        let status = bankhub_token_get(handle, timeout_ms, token.as_mut_ptr(), ptr::null_mut());
        if status != BANKHUB_OK {
            let left = (*token.as_ptr()).value.iter().filter(|byte| **byte != 0).count();
            assert_eq!(left, 0, "status {status}: bytes of a token, or of what was there before");
        }
        let value = std::ffi::CStr::from_ptr((&raw const (*token.as_ptr()).value).cast());
        (status, value.to_str().expect("a token is text").to_owned())
    }
}

#[allow(unsafe_code)]
fn invalidate(handle: *const bankhub_token) -> bankhub_status {
    // SAFETY: the text is NUL-terminated.
    unsafe { bankhub_token_invalidate(handle, c"another token".as_ptr(), ptr::null_mut()) }
}

#[allow(unsafe_code)]
fn stats(handle: *const bankhub_token) -> bankhub_status {
    let mut stats = MaybeUninit::<bankhub_stats>::zeroed();
    // SAFETY: all zeros are a `bankhub_stats`, which is writable for the size it says.
    unsafe {
        (*stats.as_mut_ptr()).size = size_of::<bankhub_stats>();
        bankhub_token_stats(handle, stats.as_mut_ptr())
    }
}

/// Every call on a handle that is not open says so, and none returns a token.
#[track_caller]
fn check_closed(handle: *mut bankhub_token) {
    assert_eq!(get(handle, 0), (BANKHUB_CLOSED, String::new()), "{handle:?}");
    assert_eq!(get(handle, BANKHUB_TIMEOUT_DEFAULT), (BANKHUB_CLOSED, String::new()), "{handle:?}");
    assert_eq!(bankhub_token_generation(handle), 0, "{handle:?}");
    assert_eq!(invalidate(handle), BANKHUB_CLOSED, "{handle:?}");
    assert_eq!(stats(handle), BANKHUB_CLOSED, "{handle:?}");
    bankhub_token_free(handle);
}

#[test]
fn a_freed_handle_stays_closed_after_its_entry_is_used_again() {
    let mock_server = MockServer::start();
    let freed = open(&mock_server);
    assert_eq!(get(freed, BANKHUB_TIMEOUT_DEFAULT).0, BANKHUB_OK);
    bankhub_token_free(freed);
    check_closed(freed);

    // Entries are used again in the order in which they were freed; the lower half of a handle is its entry.
    let entry = |handle: *mut bankhub_token| handle.addr() & (usize::MAX >> (usize::BITS / 2));
    let mut others = Vec::new();
    let again = loop {
        let other = open(&mock_server);
        if entry(other) == entry(freed) {
            break other;
        }
        others.push(other);
    };
    let (status, value) = get(again, BANKHUB_TIMEOUT_DEFAULT);
    assert_eq!(status, BANKHUB_OK);
    check_closed(freed);
    assert_eq!(get(again, 0), (BANKHUB_OK, value), "what was done with the old handle does not concern the new one");
    others.push(again);
    others.into_iter().for_each(|handle| bankhub_token_free(handle));
}

#[test]
fn free_during_a_panic_leaves_no_token_to_the_next_handle() {
    struct FreeOnDrop(*mut bankhub_token);
    impl Drop for FreeOnDrop {
        fn drop(&mut self) {
            bankhub_token_free(self.0);
        }
    }
    let mock_server = MockServer::start();
    let handle = open(&mock_server);
    assert_eq!(get(handle, BANKHUB_TIMEOUT_DEFAULT).0, BANKHUB_OK);
    let panicked = std::panic::catch_unwind(|| {
        let _free = FreeOnDrop(handle);
        panic!("the program's own");
    });
    assert!(panicked.is_err());
    // The longest free entry comes first: one of these takes over the entry of the freed handle.
    let handles: Vec<_> = (0..8).map(|_| open(&mock_server)).collect();
    for handle in handles {
        assert_ne!(get(handle, 0).0, BANKHUB_OK, "a token that this handle has never fetched");
        bankhub_token_free(handle);
    }
}

#[test]
fn numbers_that_never_were_handles_are_closed() {
    let mock_server = MockServer::start();
    let live = open(&mock_server);
    let (_, value) = get(live, BANKHUB_TIMEOUT_DEFAULT);
    let mut number: u64 = 0x9E37_79B9_7F4A_7C15;
    for _ in 0..10_000 {
        // xorshift: any numbers will do, as long as they are the same in every run.
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        check_closed(ptr::without_provenance_mut(number as usize));
    }
    let live_at = live.addr();
    let (version, top) = (1 << (usize::BITS / 2), 1 << (usize::BITS - 1));
    for near in [1, 2, 4096, live_at - 1, live_at + 1, live_at ^ version, live_at ^ top, usize::MAX] {
        check_closed(ptr::without_provenance_mut(near));
    }
    check_closed((&raw const mock_server).cast_mut().cast());
    assert_eq!(get(live, 0), (BANKHUB_OK, value));
    bankhub_token_free(live);
}

#[test]
fn null_is_an_invalid_argument() {
    assert_eq!(get(ptr::null(), 0), (BANKHUB_INVALID_ARGUMENT, String::new()));
    assert_eq!(bankhub_token_generation(ptr::null()), 0);
    assert_eq!(invalidate(ptr::null()), BANKHUB_INVALID_ARGUMENT);
    assert_eq!(stats(ptr::null()), BANKHUB_INVALID_ARGUMENT);
    bankhub_token_free(ptr::null_mut());
}

#[test]
fn frees_a_handle_while_eight_threads_call() {
    let mock_server = MockServer::start();
    for round in 0..50 {
        let handle = open(&mock_server).addr();
        let (status, own) = get(ptr::without_provenance(handle), BANKHUB_TIMEOUT_DEFAULT);
        assert_eq!(status, BANKHUB_OK);
        let freed = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| call_until_closed(ptr::without_provenance(handle), &own, &freed));
            }
            // The next one may get the same memory while the threads still call.
            thread::yield_now();
            bankhub_token_free(ptr::without_provenance_mut(handle));
            freed.store(true, Ordering::Release);
            let next = open(&mock_server);
            assert_eq!(get(next, BANKHUB_TIMEOUT_DEFAULT).0, BANKHUB_OK, "round {round}");
            bankhub_token_free(next);
        });
    }
}

fn call_until_closed(handle: *const bankhub_token, own: &str, freed: &AtomicBool) {
    loop {
        let was_freed = freed.load(Ordering::Acquire);
        match get(handle, 0) {
            (BANKHUB_OK, value) => assert!(value == own && !was_freed, "a token of another handle, or one after free"),
            (BANKHUB_CLOSED, value) => {
                assert_eq!(value, "");
                assert_eq!((bankhub_token_generation(handle), stats(handle), invalidate(handle)), (0, 7, 7));
                return;
            }
            (status, _) => panic!("status {status}"),
        }
    }
}
