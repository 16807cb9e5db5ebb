//! Any value of the header Retry-After.
#![no_main]

libfuzzer_sys::fuzz_target!(|value: &[u8]| bankhub::fuzzing::retry_after(value));
