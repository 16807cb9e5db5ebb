// What a cache has done and is doing, for monitoring.

using System;

namespace BankHub
{
    /// <summary>What a cache has done and is doing: for monitoring, never for deciding when to ask.</summary>
    /// <remarks>Holds no secret. Moments are in UTC, and null where there is none.</remarks>
    public sealed class TokenCacheStats
    {
        internal TokenCacheStats(in Abi.bankhub_stats native)
        {
            Generation = native.generation;
            ExpiresAt = Moment(native.expires_at);
            RefreshAt = Moment(native.refresh_at);
            NextAttemptAt = Moment(native.next_attempt_at);
            LastSuccessAt = Moment(native.last_success_at);
            LastFailureAt = Moment(native.last_failure_at);
            Requests = native.requests;
            Successes = native.successes;
            Failures = native.failures;
            ConsecutiveFailures = native.consecutive_failures;
            Rejections = native.rejections;
            IgnoredRejections = native.ignored_rejections;
            Waiters = native.waiters;
            Fetching = native.fetching != 0;
            if (native.last_error.status != Abi.BANKHUB_OK)
                LastError = new BankHubException(native.last_error);
        }

        /// <summary>Of the token that Get would return at once; 0 if there is none.</summary>
        public ulong Generation { get; }

        /// <summary>Of the current token.</summary>
        public DateTimeOffset? ExpiresAt { get; }

        /// <summary>From when on the current token is renewed beside its callers.</summary>
        public DateTimeOffset? RefreshAt { get; }

        /// <summary>Before which no token request goes out.</summary>
        public DateTimeOffset? NextAttemptAt { get; }

        /// <summary>When a token request last brought a usable token.</summary>
        public DateTimeOffset? LastSuccessAt { get; }

        /// <summary>When one last did not.</summary>
        public DateTimeOffset? LastFailureAt { get; }

        /// <summary>Token requests sent.</summary>
        public ulong Requests { get; }

        /// <summary>Of them, those that brought a usable token.</summary>
        public ulong Successes { get; }

        /// <summary>Of them, those that did not.</summary>
        public ulong Failures { get; }

        /// <summary>Failures since the last success.</summary>
        public ulong ConsecutiveFailures { get; }

        /// <summary>Calls of Invalidate that named the current token.</summary>
        public ulong Rejections { get; }

        /// <summary>Calls of Invalidate that named anything else.</summary>
        public ulong IgnoredRejections { get; }

        /// <summary>Threads that wait inside the library now.</summary>
        public ulong Waiters { get; }

        /// <summary>Whether a fetch is in flight.</summary>
        public bool Fetching { get; }

        /// <summary>Of the last failed fetch, or else of the store; null if none since the last success.</summary>
        public BankHubException LastError { get; }

        private static DateTimeOffset? Moment(long unixSeconds)
        {
            return unixSeconds == 0 ? (DateTimeOffset?)null : DateTimeOffset.FromUnixTimeSeconds(unixSeconds);
        }
    }
}
