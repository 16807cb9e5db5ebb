//! TLS over a connection: the handshake, and in words why it failed.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use bankhub_core::{Error, Instant};
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, SignatureScheme, StreamOwned};

use super::certificate::{Verifier, is_authority, is_outside_constraints, lacks_issuer};
use super::crypto_provider::crypto_provider;
use super::roots::Roots;
use super::{Stream, TcpBounded};
use crate::config::Config;

/// This client's side of TLS, with the certificates that a cache trusts.
pub(crate) struct Tls {
    roots: Roots,
    provider: Arc<CryptoProvider>,
}

pub(crate) struct TlsStream {
    stream: StreamOwned<ClientConnection, TcpBounded>,
    certificate_request: Arc<CertificateRequest>,
    /// The server has sent something, so it does not refuse this client.
    has_responded: bool,
}

/// Why TLS failed, in words. Within an `io::Error`.
#[derive(Debug)]
pub(crate) struct TlsProblem(String);

/// This client has no certificate, but notices that the server asks for one.
#[derive(Debug, Default)]
struct CertificateRequest {
    has_come: AtomicBool,
}

/// The name that the certificate of this host must have.
pub(crate) fn server_name(host: &str) -> Option<ServerName<'static>> {
    // There it has no dot at its end.
    ServerName::try_from(host.trim_end_matches('.').to_owned()).ok()
}

impl Tls {
    /// Reads the platform's roots and `ca_file`.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self { roots: Roots::read(config)?, provider: crypto_provider()? })
    }

    /// The certificate must be valid for the name, a host name or an IP address.
    pub(crate) fn handshake(&self, name: &ServerName<'static>, mut tcp: TcpBounded) -> io::Result<TlsStream> {
        let certificate_request = Arc::new(CertificateRequest::default());
        let config = self.client_config(Arc::clone(&certificate_request));
        let mut client = ClientConnection::new(config, name.clone()).map_err(io::Error::other)?;
        let result = client.complete_io(&mut tcp);
        let stream = StreamOwned::new(client, tcp);
        let stream = TlsStream { stream, certificate_request, has_responded: false };
        match result {
            Ok(_) => Ok(stream),
            Err(error) => {
                let lacks_issuer = is_certificate_error(&error, lacks_issuer);
                if lacks_issuer {
                    self.roots.read_again();
                }
                Err(match lacks_issuer && self.roots.trusted().iter().next().is_none() {
                    true => io::Error::other(TlsProblem(self.no_roots())),
                    false => stream.in_words(error),
                })
            }
        }
    }

    fn no_roots(&self) -> String {
        let places = self.roots.places();
        format!("no trusted roots were found; install the package ca-certificates, or set ca_file; searched {places}")
    }

    fn client_config(&self, certificate_request: Arc<CertificateRequest>) -> Arc<ClientConfig> {
        let verifier = Verifier::new(self.roots.trusted(), self.provider.signature_verification_algorithms);
        let versions = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = versions.with_safe_default_protocol_versions().expect("crypto_provider has tried it");
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        Arc::new(builder.with_client_cert_resolver(certificate_request))
    }
}

impl TlsStream {
    /// With TLS 1.3 a server refuses a client without a certificate after the handshake.
    fn in_words(&self, error: io::Error) -> io::Error {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};

        // Its alert may be lost if it closes the connection while this client still sends.
        let is_closed = matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe);
        let may_miss_one = self.wants_certificate() && !self.has_responded;
        let problem = match rustls_error(&error) {
            Some(rustls::Error::AlertReceived(_)) if may_miss_one => NO_CLIENT_CERTIFICATE.to_owned(),
            None if is_closed && may_miss_one => NO_CLIENT_CERTIFICATE.to_owned(),
            None => return error,
            Some(error) => describe(error),
        };
        io::Error::other(TlsProblem(problem))
    }
}

impl Read for TlsStream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(bytes).map_err(|error| self.in_words(error))?;
        self.has_responded |= count > 0;
        Ok(count)
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes).map_err(|error| self.in_words(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().map_err(|error| self.in_words(error))
    }
}

impl Stream for TlsStream {
    fn set_deadline(&mut self, deadline: Instant) {
        self.stream.sock.set_deadline(deadline);
    }

    fn wants_certificate(&self) -> bool {
        self.certificate_request.has_come.load(Relaxed)
    }
}

impl ResolvesClientCert for CertificateRequest {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.has_come.store(true, Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed the TLS handshake: {}", self.0)
    }
}

impl std::error::Error for TlsProblem {}

pub(crate) const NO_CLIENT_CERTIFICATE: &str =
    "the server asks for a client certificate, and this library does not send one";

/// For messages.
const CERTIFICATE_NAMES_MAX: usize = 3;
const CERTIFICATE_NAME_BYTES_MAX: usize = 64;

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn is_certificate_error(error: &io::Error, is_it: impl FnOnce(&CertificateError) -> bool) -> bool {
    matches!(rustls_error(error), Some(rustls::Error::InvalidCertificate(error)) if is_it(error))
}

fn wrong_host(presented: &[String]) -> String {
    // As `DnsName("hub.test")` or `IpAddress(10.0.0.1)`. No other kind of name is that of a host.
    let host = |name: &String| {
        let (kind, name) = name.strip_suffix(')')?.split_once('(')?;
        let name = name.trim_matches('"');
        (matches!(kind, "DnsName" | "IpAddress") && name.len() <= CERTIFICATE_NAME_BYTES_MAX).then(|| name.to_owned())
    };
    let hosts: Vec<_> = presented.iter().filter_map(host).take(CERTIFICATE_NAMES_MAX).collect();
    match hosts.is_empty() {
        true if presented.is_empty() => "the certificate has no subjectAltName, which would name its hosts".to_owned(),
        true => "the certificate is not valid for this host".to_owned(),
        false => format!("the certificate is not valid for this host, but for {}", hosts.join(", ")),
    }
}

/// In one sentence without numbers that only an expert could read.
#[allow(deprecated, reason = "the exhaustive rest of one enum")]
fn describe(error: &rustls::Error) -> String {
    use CertificateError::*;
    let problem = match error {
        rustls::Error::InvalidCertificate(problem) => match problem {
            UnknownIssuer => {
                "the certificate is not signed by a trusted authority; set ca_file to the certificate of its authority"
            }
            Expired | ExpiredContext { .. } => "the certificate has expired; check it, and the clock of this machine",
            NotValidYet | NotValidYetContext { .. } => {
                "the certificate is not valid yet; check it, and the clock of this machine"
            }
            NotValidForNameContext { presented, .. } => return wrong_host(presented),
            UnsupportedSignatureAlgorithm
            | UnsupportedSignatureAlgorithmContext { .. }
            | UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                "a certificate is signed with an algorithm that is not supported; supported are RSA with SHA-2, \
                 Ed25519, and P-256 and P-384 with SHA-256 or SHA-384"
            }
            BadSignature => {
                "the trusted authority of this name has another key, or an RSA key of under 2048 bits; set ca_file to \
                 the certificate of the authority"
            }
            InvalidPurpose | InvalidPurposeContext { .. } => "the certificate is not for a server (extended key usage)",
            Revoked => "the certificate is revoked",
            UnhandledCriticalExtension => "the certificate has a critical extension that is not supported",
            BadEncoding => "the certificate cannot be read: it is damaged, or of an old version",
            Other(_) if is_authority(problem) => {
                "the certificate is that of an authority, not of a server; set ca_file to exactly this certificate to \
                 trust it"
            }
            Other(_) if is_outside_constraints(problem) => {
                "the authority of the certificate may not sign for this host (name constraints)"
            }
            _ => "the certificate is not valid",
        },
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion)
        | rustls::Error::PeerIncompatible(_) => {
            "the server and this library have no TLS version, cipher or kind of key in common; supported are TLS 1.2 \
             and 1.3, and the keys RSA, P-256, P-384 and Ed25519"
        }
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "the server has no certificate for this host"
        }
        rustls::Error::AlertReceived(alert) => return format!("the server refused it with the alert {alert:?}"),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS on this port, or sent a damaged message",
        error => return format!("{error}"),
    };
    problem.to_owned()
}
