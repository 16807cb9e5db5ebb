//! Sealed data opens with the same client secret only, and only unchanged.

use super::*;
use crate::config;

fn seal(config: Config) -> Seal {
    Seal::new(&config).expect("the configuration is right")
}

#[test]
fn opens_with_the_same_secret() {
    let sealed = seal(Config::new("id", "secret")).close(b"a token").expect("sealed");
    let opened = seal(Config::new("id", "secret")).open(&sealed);
    assert_eq!(opened.as_deref().map(Vec::as_slice), Some(&b"a token"[..]));
    assert!(!sealed.windows(5).any(|part| part == b"token"));
    let again = seal(Config::new("id", "secret")).close(b"a token").expect("sealed");
    assert_ne!(sealed, again, "a nonce of its own");
}

#[test]
fn other_ids_secrets_and_urls_have_other_names_and_keys() {
    let first = seal(Config::new("id", "secret"));
    let sealed = first.close(b"a token").expect("sealed");
    for other in [
        Config::new("id", "Secret"),
        Config::new("Id", "secret"),
        Config::new("id", "secret").base_url(config::PRODUCTION_URL),
        Config::new("id", "secret").base_url(format!("{}/path", config::SANDBOX_URL)),
    ] {
        let other = seal(other);
        assert_ne!(other.name(), first.name());
        assert_eq!(other.open(&sealed), None);
        assert_eq!(Seal { name: first.name.clone(), ..other }.open(&sealed), None, "the key is another, too");
    }
    let same = seal(Config::new("id", "secret").base_url("HTTPS://BankHub-API-sandbox.sepay.vn/"));
    assert_eq!(same.name(), first.name());
}

#[test]
fn refuses_any_changed_missing_or_added_byte() {
    let seal = seal(Config::new("id", "secret"));
    let sealed = seal.close(b"a token").expect("sealed");
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        assert_eq!(seal.open(&changed), None, "byte {place}");
        assert_eq!(seal.open(&sealed[..place]), None, "cut at {place}");
    }
    assert_eq!(seal.open(&[&sealed[..], b"\0"].concat()), None);
    assert_eq!(Seal { name: "elsewhere".to_owned(), ..seal }.open(&sealed), None);
}
