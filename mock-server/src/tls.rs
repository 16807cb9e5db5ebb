//! The certificates of the TLS ports, made at start: one that is right, and three that no client may accept.

use std::error::Error;
use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

pub struct Tls {
    /// In PEM. A client that trusts it accepts the right certificate.
    pub authority: String,
    /// By the name of what is right or wrong with the certificate.
    pub acceptors: [(&'static str, TlsAcceptor); 4],
}

impl Tls {
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // With the name of the certificates it signs, some clients would take those for self-signed.
        params.distinguished_name.push(DnType::CommonName, "bankhub-mock-server's authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let here = CertificateParams::new(["localhost", "127.0.0.1", "::1"].map(str::to_owned))?;
        let elsewhere = CertificateParams::new(["elsewhere.invalid".to_owned()])?;
        let mut expired = here.clone();
        (expired.not_before, expired.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2000, 1, 2));
        let signed = |params: &CertificateParams| {
            let key = KeyPair::generate()?;
            acceptor(&params.signed_by(&key, &authority)?, &key)
        };
        let own_key = KeyPair::generate()?;
        let acceptors = [
            ("right", signed(&here)?),
            ("wrong-host", signed(&elsewhere)?),
            ("expired", signed(&expired)?),
            ("self-signed", acceptor(&here.self_signed(&own_key)?, &own_key)?),
        ];
        Ok(Self { authority: authority.pem(), acceptors })
    }
}

fn acceptor(certificate: &Certificate, key: &KeyPair) -> Result<TlsAcceptor, Box<dyn Error>> {
    let key = PrivateKeyDer::try_from(key.serialize_der())?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
