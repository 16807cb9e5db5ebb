//! The certificates that are trusted to sign a server's: the platform's roots, and those of `ca_file`.

use std::path::Path;
use std::sync::Arc;

use bankhub_core::Error;
use once_cell::race::OnceBox;
use ureq::tls::{Certificate, PemItem, parse_pem};

use crate::runtime::descriptor;

/// Far larger than a file with all public roots.
const CA_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Read once per process. A `OnceBox` never blocks, so a forked child cannot wait for it for ever.
static PLATFORM: OnceBox<Arc<Vec<Certificate<'static>>>> = OnceBox::new();

/// Reads the platform's roots (its certificate store, or what SSL_CERT_FILE and SSL_CERT_DIR name), and `ca_file`.
///
/// A platform without roots is not an error here: the TLS handshake with a server that needs them fails, and says so.
pub(crate) fn load_roots(ca_file: Option<&Path>) -> Result<Arc<Vec<Certificate<'static>>>, Error> {
    Ok(match ca_file {
        None => Arc::clone(platform()),
        Some(path) => Arc::new(platform().iter().cloned().chain(read(path)?).collect()),
    })
}

fn platform() -> &'static Arc<Vec<Certificate<'static>>> {
    PLATFORM.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs().certs;
        Box::new(Arc::new(found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()))
    })
}

fn read(path: &Path) -> Result<Vec<Certificate<'static>>, Error> {
    let wrong = |problem: String| Error::invalid("ca_file", format!("'{}' {problem}", path.display()));
    let unreadable = |error| wrong(format!("cannot be read: {error}"));
    // Reading a pipe or a device might never end.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > CA_FILE_BYTES_MAX {
        return Err(wrong(format!("must be a regular file of at most {CA_FILE_BYTES_MAX} bytes")));
    }
    let pem = descriptor::read_file(path).map_err(unreadable)?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| wrong("is not a PEM file".to_owned()))? {
            certificates.push(certificate);
        }
    }
    match certificates.is_empty() {
        true => Err(wrong("contains no certificate; expected '-----BEGIN CERTIFICATE-----'".to_owned())),
        false => Ok(certificates),
    }
}
