//! The cryptography behind TLS: ring, or without the feature `rustls-ring` what the program has chosen for its rustls.
//!
//! Cargo gives a dependency the features that any crate of a program asks for. With ring here and another provider
//! there, rustls has two, and panics where a program leaves the choice to it.

use std::sync::Arc;

use bankhub_core::Error;
#[cfg(not(feature = "rustls-ring"))]
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;

/// The provider for every TLS connection of this crate, which never becomes that of the program by this.
#[cfg(feature = "rustls-ring")]
pub(super) fn crypto_provider() -> Result<Arc<CryptoProvider>, Error> {
    Ok(Arc::new(rustls::crypto::ring::default_provider()))
}

/// The provider that the program has installed, or else the only one in its rustls.
#[cfg(not(feature = "rustls-ring"))]
pub(super) fn crypto_provider() -> Result<Arc<CryptoProvider>, Error> {
    // rustls itself decides whether there is only one, and panics if not; there is no other way to ask.
    let only_one = || std::panic::catch_unwind(|| Arc::clone(ClientConfig::builder().crypto_provider())).ok();
    let provider = CryptoProvider::get_default().cloned().or_else(only_one).ok_or_else(|| {
        let remedy = "call CryptoProvider::install_default first, or enable the feature rustls-ring of bankhub";
        Error::invalid("rustls", format!("has no crypto provider, or more than one; {remedy}"))
    })?;
    match ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions() {
        Ok(_) => Ok(provider),
        Err(error) => Err(Error::invalid("rustls", format!("cannot use the installed crypto provider: {error}"))),
    }
}
