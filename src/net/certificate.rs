//! Which certificate of a server is accepted: one that a trusted authority signed, and one that is itself configured.

use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};

use super::roots::Trusted;

#[derive(Debug)]
pub(super) struct Verifier {
    roots: RootCertStore,
    trusted: Trusted,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(trusted: Trusted, algorithms: WebPkiSupportedAlgorithms) -> Self {
        let mut roots = RootCertStore::empty();
        let authorities = trusted.iter().filter(|certificate| may_sign(certificate, algorithms.all));
        roots.add_parsable_certificates(authorities.cloned());
        Self { roots, trusted, algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    /// A certificate that is its own authority, as `openssl req -x509` makes it, may not identify a server (RFC 5280).
    /// But whoever trusts exactly this certificate means this server, as OpenSSL and Go see it. So the chain is not
    /// asked for then, nor the extended key usage. The time and the name are, and the server proves that it has the
    /// key.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms) {
            // The time was checked before.
            Err(Error::InvalidCertificate(error)) if lacks_issuer(&error) && self.trusts_exactly(end_entity) => {}
            result => result?,
        }
        verify_server_name(&certificate, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Verifier {
    fn trusts_exactly(&self, certificate: &CertificateDer<'_>) -> bool {
        self.trusted.iter().any(|trusted| trusted == certificate)
    }
}

/// Whether the certificate is that of an authority. Else it is trusted for its own server only, as OpenSSL and Go do;
/// webpki would let its key sign for every host.
fn may_sign(certificate: &CertificateDer<'_>, algorithms: &[&dyn SignatureVerificationAlgorithm]) -> bool {
    // Version 1 does not say what a certificate is for.
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return true };
    let mut now = UnixTime::since_unix_epoch(Duration::ZERO);
    loop {
        // Without an authority it always fails, by the time first.
        match certificate.verify_for_usage(algorithms, &[], &[], now, KeyUsage::server_auth(), None, None) {
            Err(webpki::Error::CertNotValidYet { not_before, .. }) if now < not_before => now = not_before,
            result => return matches!(result, Err(webpki::Error::CaUsedAsEndEntity)),
        }
    }
}

/// Whether no trusted certificate is the issuer: none has its name, or only one with another key; or the certificate is
/// its own issuer.
pub(super) fn lacks_issuer(error: &CertificateError) -> bool {
    matches!(error, CertificateError::UnknownIssuer | CertificateError::BadSignature) || is_authority(error)
}

/// Whether the certificate of a server is that of an authority.
pub(super) fn is_authority(error: &CertificateError) -> bool {
    webpki_error(error) == Some(&webpki::Error::CaUsedAsEndEntity)
}

/// Whether the authority may not sign for this host.
pub(super) fn is_outside_constraints(error: &CertificateError) -> bool {
    webpki_error(error) == Some(&webpki::Error::NameConstraintViolation)
}

fn webpki_error(error: &CertificateError) -> Option<&webpki::Error> {
    match error {
        CertificateError::Other(error) => error.0.downcast_ref(),
        _ => None,
    }
}
