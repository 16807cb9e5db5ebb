//! Any status and any body: a token that can be used, or a failure.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bankhub::fuzzing::response(input));
