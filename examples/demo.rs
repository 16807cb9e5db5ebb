//! Gets a token, uses it, recovers from its revocation, and shows that 64 threads cause one token request.

use std::error::Error;
use std::{env, thread};

use bankhub::TokenCache;

fn main() -> Result<(), Box<dyn Error>> {
    let base_url = env::var("BANKHUB_BASE_URL").ok().filter(|url| !url.is_empty());
    let base_url = base_url.as_deref().unwrap_or(bankhub::SANDBOX_URL);
    let company = format!("{base_url}/v1/company");

    let cache = TokenCache::from_env()?;
    let token = cache.get()?;
    println!("token: {}", mask(token.value()));
    let expires = humantime::format_rfc3339_seconds(token.expires_at()).to_string();
    println!("expires: {}", expires.replace('T', " ").replace('Z', " UTC"));
    println!("resource: {}", status(&company, token.value())?);

    if let Ok(revoke_url) = env::var("BANKHUB_DEMO_REVOKE_URL") {
        ureq::post(revoke_url).send_empty()?;
        let refused = status(&company, token.value())?;
        cache.invalidate(token.value())?;
        println!("revoked: {refused}, then {}", status(&company, cache.get()?.value())?);
    }

    let fresh = TokenCache::from_env()?;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..64).map(|_| scope.spawn(|| fresh.get())).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics").map(drop))
    })?;
    println!("threads: {}", fresh.stats()?.requests);
    Ok(())
}

fn status(url: &str, token: &str) -> Result<u16, ureq::Error> {
    let request = ureq::get(url).config().http_status_as_error(false).build();
    Ok(request.header("Authorization", format!("Bearer {token}")).call()?.status().as_u16())
}

fn mask(token: &str) -> String {
    format!("{}…{}", &token[..4], &token[token.len() - 4..])
}
