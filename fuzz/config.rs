//! A configuration of any size and content, through the C ABI: a handle, or an error that names what is wrong.
#![no_main]

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use bankhub::ffi::{
    BANKHUB_INVALID_ARGUMENT, BANKHUB_OK, bankhub_config, bankhub_error, bankhub_token_free, bankhub_token_new,
};
use libfuzzer_sys::arbitrary::{self, Arbitrary};

#[derive(Arbitrary, Debug)]
struct Input {
    texts: [Option<Vec<u8>>; 6],
    numbers: [u32; 6],
    size: usize,
}

/// Above this the library refuses without a look, so that there need be no such memory.
const SIZE_MAX: usize = 4096;

libfuzzer_sys::fuzz_target!(|input: Input| {
    let texts = input.texts.map(|text| {
        text.map(|mut text| {
            text.retain(|byte| *byte != 0);
            CString::new(text).expect("no NUL is left")
        })
    });
    let [client_id, client_secret, base_url, ca_file, proxy, store] =
        texts.each_ref().map(|text| text.as_ref().map_or(ptr::null(), |text| text.as_ptr()));
    let [connect_timeout_ms, request_timeout_ms, get_timeout_ms, refresh_ahead_s, flags, reserved] = input.numbers;
    let config = bankhub_config {
        size: input.size,
        client_id,
        client_secret,
        base_url,
        ca_file,
        proxy,
        store,
        connect_timeout_ms,
        request_timeout_ms,
        get_timeout_ms,
        refresh_ahead_s,
        flags,
        reserved,
    };
    // Memory of exactly the size that is claimed, aligned as the struct is, so that a sanitizer sees who reads further.
    let mut memory = vec![0_u64; input.size.clamp(size_of::<usize>(), SIZE_MAX).div_ceil(size_of::<u64>())];
    let bytes = (memory.len() * size_of::<u64>()).min(size_of::<bankhub_config>());
    // SAFETY: both are at least so long.
    unsafe { ptr::copy_nonoverlapping((&raw const config).cast::<u8>(), memory.as_mut_ptr().cast(), bytes) };
    let mut token = ptr::null_mut();
    let mut error = std::mem::MaybeUninit::<bankhub_error>::uninit();
    // SAFETY: the config is readable for its size, or for what the library may look at of it, and its strings end.
    let status = unsafe { bankhub_token_new(memory.as_ptr().cast(), &mut token, error.as_mut_ptr()) };
    // SAFETY: it is always written.
    let error = unsafe { error.assume_init() };
    assert_eq!(error.status, status);
    assert_eq!(token.is_null(), status != BANKHUB_OK);
    assert!(status == BANKHUB_OK || status == BANKHUB_INVALID_ARGUMENT, "status {status}");
    let message: &[c_char] = &error.message;
    // SAFETY: it is NUL-terminated.
    let message = unsafe { CStr::from_ptr(message.as_ptr()) }.to_str().expect("it is UTF-8");
    assert_eq!(message.is_empty(), status == BANKHUB_OK);
    bankhub_token_free(token);
});
