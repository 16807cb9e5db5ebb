//! How long and how often: every number of a token's life, as constants and pure functions.

use core::time::Duration;

use crate::jitter::Jitter;

/// A longer ttl is cut to this: no API issues a token for longer, so the unit is probably wrong.
pub const TTL_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A longer token is refused. The C ABI copies tokens into memory of 4,096 bytes, with a NUL at the end.
pub const TOKEN_BYTES_MAX: usize = 4095;

/// Requests in one fetch: enough to survive a restart behind a load balancer, too few to overload a server. A fetch
/// after a failed one sends a single request: otherwise a whole fleet would send three times as many to a server
/// that is down (`make fleet`).
pub const REQUESTS_PER_FETCH: u32 = 3;

/// A longer Retry-After would leave a program without a token for longer than an operator expects.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How long after its timeout a request may end by itself before it is overdue.
pub const OVERDUE_GRACE: Duration = Duration::from_millis(500);

/// The `retry_after` of a caller who is told that a request is overdue: it may end at any moment.
pub const OVERDUE_RETRY_AFTER: Duration = Duration::from_secs(1);

/// A call to an API takes time too: a token is not returned in the last moments before it expires.
const STALE_MARGIN_MAX: Duration = Duration::from_secs(30);
const STALE_MARGIN_DIVISOR: u32 = 20;

/// Leaves time for some failed refreshes before callers have to wait.
const REFRESH_AHEAD_DIVISOR: u32 = 10;
const REFRESH_AHEAD_MIN: Duration = Duration::from_secs(2);

/// Long enough for a new connection, short enough for a waiting caller.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// With a store the retries begin sooner: callers of all processes wait for them.
const SHARED_RETRY_WINDOW: Duration = Duration::from_secs(1);

/// The first pause and the longest. A server that is down may be back at any moment, so retry soon, then rarely.
const BACKOFF_UNAVAILABLE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A refused secret or an unknown response: a human has to repair it.
const BACKOFF_REFUSED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// The first spacing and the longest. Some revocations in a row must cost no call. A route that always answers 401
/// looks the same, and must not cost a request for every call.
const REJECTION_SPACING: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// The spacing grows by this part of it even if tokens live for longer than that: an API that rejects each token after
/// ten seconds gets 130 requests in an hour, and one that rejects each after half a second gets none for 13 s.
const REJECTION_SPACING_GROWTH_DIVISOR: u32 = 16;

/// For how long callers wait before the request for a replacement. If it takes longer, they get the rejected token
/// meanwhile, because most of them may call a route that accepts it.
pub(crate) const REJECTION_WAIT_MAX: Duration = Duration::from_millis(300);

/// The same if the endpoint has issued the rejected token again: the callers have waited before, and in all they must
/// not wait longer than [`REJECTION_WAIT_MAX`].
pub(crate) const REISSUE_WAIT_MAX: Duration = Duration::from_millis(200);

/// A rejection this soon after the token was issued says more about the API than about the token.
const EARLY_REJECTION_MAX: Duration = Duration::from_secs(60);

/// A token that lives this long ends the row. Less, and a route that always answers 401, and is called in bursts, would
/// get the quick requests at the beginning of a row too often.
const REJECTION_ROW_END: Duration = Duration::from_secs(30 * 60);

/// See [`adoption_margin`].
const ADOPTION_MARGIN_MAX: Duration = Duration::from_secs(1);
const ADOPTION_MARGIN_DIVISOR: u32 = 10;

/// How long callers of a process wait for the token of another one when theirs is due: most stores are read in less,
/// many endpoints answer in less, and nobody waits long.
pub(crate) const CONFIRM_WAIT_MAX: Duration = Duration::from_millis(100);

/// How long the store knows how often requests have failed, after the next one may be sent.
pub(crate) const SHARED_FAILURE_REMEMBERED: Duration = Duration::from_secs(600);

/// How long one operation on a store may take: far more than a healthy store needs, and little for a waiting caller.
pub const STORE_OPERATION_MAX: Duration = Duration::from_secs(1);

/// How long a process may take to write a token to the store and release the lease.
pub(crate) const STORE_WRITE_MAX: Duration = STORE_OPERATION_MAX.saturating_mul(2);

/// How often a refresh waits for a store that has failed: in all for longer than a failover should take.
pub(crate) const STORE_WAITS_MAX: u32 = 3;

const STORE_WAIT: Duration = Duration::from_secs(1);

/// How long its token must stay good at least: each wait, and each try after it, may take a second.
pub(crate) const STORE_WAIT_MIN_LEFT: Duration =
    STORE_WAIT.saturating_add(STORE_OPERATION_MAX).saturating_mul(STORE_WAITS_MAX);

/// How far the wall clocks of two machines may differ. Nothing else tells how old a token in a file is.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(300);

/// How often a process that may not send a request reads the store: often enough for its callers, and a small load on a
/// store with many readers.
const STORE_POLL_PAUSE: Duration = Duration::from_secs(5);

/// The first pause and the longest while a process waits for the lease: short at first, as most fetches are quick and
/// may have ended the token that this process still uses, then longer, as thousands may be waiting.
const LEASE_POLL_PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// How long a lease lasts after it was acquired or extended: short, because this is how long the others wait for a
/// holder that was killed or stopped; long enough for two extensions that come late.
pub const LEASE_DURATION: Duration = Duration::from_secs(3);

/// How often the holder of a lease extends it while it waits for the endpoint.
pub const LEASE_EXTEND_PAUSE: Duration = Duration::from_secs(1);

/// How long one poll of the lease may take: a pause, reading the store, and asking for the lease.
pub(crate) const LEASE_POLL_MAX: Duration = STORE_OPERATION_MAX.saturating_mul(2).saturating_add(LEASE_POLL_PAUSE.1);

/// How long after its request a token of this ttl becomes stale.
pub fn stale_after(ttl: Duration) -> Duration {
    ttl - STALE_MARGIN_MAX.min(ttl / STALE_MARGIN_DIVISOR)
}

/// How long before it becomes stale a token is refreshed; with jitter, so that many processes do not refresh together.
pub(crate) fn refresh_ahead(ttl: Duration, configured: Option<Duration>, jitter: Jitter) -> Duration {
    let ahead = configured.unwrap_or(ttl / REFRESH_AHEAD_DIVISOR).max(REFRESH_AHEAD_MIN);
    jitter.around(ahead.min(stale_after(ttl) / 2))
}

/// The pause before request number `sent + 1` of a fetch.
pub(crate) fn retry_pause(sent: u32, jitter: Jitter) -> Duration {
    jitter.around(exponential(RETRY_PAUSE, sent - 1, Duration::MAX))
}

/// How long after its first request a fetch may send its last one.
pub(crate) fn retry_window(request_timeout: Duration, shares_store: bool) -> Duration {
    if shares_store { SHARED_RETRY_WINDOW.min(request_timeout) } else { request_timeout }
}

/// How long no request is sent after `failures` failed fetches in a row.
pub(crate) fn backoff(refused: bool, failures: u32, retry_after: Option<Duration>, jitter: Jitter) -> Duration {
    let (first, most) = if refused { BACKOFF_REFUSED } else { BACKOFF_UNAVAILABLE };
    let pause = jitter.upper_half(exponential(first, failures - 1, most));
    pause.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
}

/// Whether the rejection of a token that has lived for so long is early.
pub(crate) fn is_early_rejection(lived: Duration, ttl: Duration) -> bool {
    lived <= EARLY_REJECTION_MAX.min(ttl / 2)
}

/// Whether a token that has lived for so long ends a row of rejections.
pub(crate) fn ends_rejection_row(lived: Duration) -> bool {
    lived >= REJECTION_ROW_END
}

/// The spacing that follows in a row of rejections: longer by the time that the token did not live of this one, and so
/// twice as long if it was rejected at once. Before it exceeds the time that callers wait, it is just that long once.
pub(crate) fn next_rejection_spacing(spacing: Duration, lived: Duration) -> Duration {
    let (first, most) = REJECTION_SPACING;
    let most = if spacing < REJECTION_WAIT_MAX { REJECTION_WAIT_MAX } else { most };
    let growth = spacing.saturating_sub(lived).max(spacing / REJECTION_SPACING_GROWTH_DIVISOR);
    (spacing + growth).clamp(first, most)
}

/// A token in the store is adopted if it expires later than the current token by more than this.
pub(crate) fn adoption_margin(ttl: Duration) -> Duration {
    ADOPTION_MARGIN_MAX.min(ttl / ADOPTION_MARGIN_DIVISOR)
}

/// How long a lease lasts during a name lookup, in which its holder cannot extend it: as long as the whole request may
/// take, and the store operations around it.
pub fn lookup_lease_duration(request_timeout: Duration) -> Duration {
    request_timeout + OVERDUE_GRACE + 3 * STORE_OPERATION_MAX
}

/// How long a process waits for a single holder of the lease. Longer than a lease lasts, so that an abandoned one
/// expires first: otherwise all who wait would fetch at the same time.
pub fn lease_holder_timeout(request_timeout: Duration) -> Duration {
    retry_window(request_timeout, true) + lookup_lease_duration(request_timeout) + 2 * STORE_OPERATION_MAX
}

/// How long a fetch may wait for the lease. After that, callers wait for one request and no more. Where a request takes
/// less time than a poll of the lease, this leaves time for one poll.
pub fn lease_wait_max(request_timeout: Duration) -> Duration {
    lease_holder_timeout(request_timeout) + LEASE_POLL_MAX.saturating_sub(request_timeout)
}

/// The pause before a process that may not send a request reads the store, or reads it again.
pub fn store_poll_pause(jitter: Jitter) -> Duration {
    jitter.around(STORE_POLL_PAUSE)
}

/// The pause before a refresh tries a store again that has failed.
pub(crate) fn store_wait(jitter: Jitter) -> Duration {
    jitter.around(STORE_WAIT)
}

/// The pause before a process observes the lease again, after this many polls.
pub(crate) fn lease_poll_pause(polls: u32, jitter: Jitter) -> Duration {
    let (first, most) = LEASE_POLL_PAUSE;
    jitter.upper_half(exponential(first, polls / 4, most))
}

fn exponential(first: Duration, doublings: u32, most: Duration) -> Duration {
    first.saturating_mul(2u32.saturating_pow(doublings)).min(most)
}

#[cfg(test)]
mod tests;
