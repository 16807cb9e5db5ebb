//! The C ABI: handles, arguments and results, one file per concept. Only handle.rs and handle_table.rs name more than
//! what `lib.rs` exports.
//!
//! Every exported function is one `guard!`: whatever happens inside, no panic unwinds into C.
#![allow(unsafe_code, non_camel_case_types, reason = "this is the boundary, and it speaks C's names")]
#![allow(clippy::missing_safety_doc, reason = "the docs go into the C header, whose readers know no such section")]

/// Runs the body of an exported function. With `report to`, the body is a `Result<(), Error>`: the caller gets it as a
/// status, and a panic as BANKHUB_INTERNAL. Otherwise the first argument is returned after a panic.
macro_rules! guard {
    (report to $error:expr, $body:block) => {{
        let body = || -> Result<(), crate::Error> { $body };
        // SAFETY: each exported function requires of its `error` what `report` requires.
        let report = |result| unsafe { crate::ffi::error::report($error, result) };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| report(body())))
            .unwrap_or_else(|_| report(Err(crate::ffi::error::panicked())))
    }};
    ($on_panic:expr, $body:expr) => {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| $body)).unwrap_or_else(|_| $on_panic)
    };
}

mod access_token;
mod argument;
mod config;
mod error;
mod handle;
mod handle_table;
mod stats;
mod status;
mod token;
mod version;

pub use access_token::*;
pub use config::*;
pub use error::*;
pub use stats::*;
pub use status::*;
pub use token::*;
pub use version::*;
