//! Encrypts what a store holds: only a process that has the client secret can read it, or write what others accept.
//!
//! Key and name are derived from the secret, the id and the token endpoint's URL (HKDF with SHA-256, RFC 5869). An
//! entry is sealed with ChaCha20-Poly1305 (RFC 8439) under a random nonce: version, nonce, ciphertext, tag. The tag
//! covers the version and the name too, so an entry cannot be moved to another name.

use bankhub_core::Error;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::failed;
use crate::config::Config;

/// The version of everything in this file. An entry of another version counts as damaged.
const VERSION: u8 = 2;

const SALT: &[u8] = b"bankhub store";

const NAME_BYTES: usize = 16;

pub(super) struct Seal {
    key: LessSafeKey,
    name: String,
}

struct NameLength;

impl KeyType for NameLength {
    fn len(&self) -> usize {
        NAME_BYTES
    }
}

impl Seal {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let url = config.token_url()?;
        let secret = Salt::new(HKDF_SHA256, SALT).extract(config.client_secret.expose().as_bytes());
        // An id holds no control character, and so no NUL, and neither does a URL.
        let host = url.authority().map(|authority| authority.as_str().to_ascii_lowercase()).unwrap_or_default();
        let context =
            format!("\0{}\0{}\0{host}\0{}", config.client_id, url.scheme_str().unwrap_or_default(), url.path());
        let [for_key, for_name] = ["key", "name"].map(|what| [&[VERSION], what.as_bytes(), context.as_bytes()]);
        let key = secret.expand(&for_key, &CHACHA20_POLY1305).expect("HKDF expands to a key's length");
        let mut name = [0; NAME_BYTES];
        let expanded = secret.expand(&for_name, NameLength).and_then(|expanded| expanded.fill(&mut name));
        expanded.expect("HKDF expands to a name's length");
        Ok(Self { key: LessSafeKey::new(UnboundKey::from(key)), name: hexadecimal(&name) })
    }

    /// The same for all who have the same secret, id and URL, and different for others, who learn nothing from it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn close(&self, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plain.len() + CHACHA20_POLY1305.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let text = &mut sealed[1 + NONCE_LEN..];
        let tag = self.key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), self.bound_to(), text);
        sealed.extend_from_slice(tag.expect("a token is short").as_ref());
        Ok(sealed)
    }

    /// `None`: it was sealed with another secret, name or version, or was changed.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.strip_prefix(&[VERSION])?.split_first_chunk()?;
        let mut plain = Zeroizing::new(text.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.key.open_in_place(nonce, self.bound_to(), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }

    fn bound_to(&self) -> Aad<Vec<u8>> {
        Aad::from([&[VERSION], self.name.as_bytes()].concat())
    }
}

pub(super) fn random<const BYTES: usize>() -> Result<[u8; BYTES], Error> {
    let mut bytes = [0; BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| failed("cannot be used: the system provides no random numbers"))?;
    Ok(bytes)
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
