// The statistics of a cache, for monitoring.

using System;

namespace BankHub
{
    /// <summary>The counters and times of a cache: for monitoring, not for deciding when to call Get.</summary>
    /// <remarks>Contains no secret. Times are in UTC. A time that is not known is null.</remarks>
    public sealed class TokenCacheStats
    {
        internal TokenCacheStats(in Abi.bankhub_stats native)
        {
            Generation = native.generation;
            ExpiresAt = Utc(native.expires_at);
            RefreshAt = Utc(native.refresh_at);
            NextAttemptAt = Utc(native.next_attempt_at);
            LastSuccessAt = Utc(native.last_success_at);
            LastFailureAt = Utc(native.last_failure_at);
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

        /// <summary>The generation of the token that Get would return at once; 0 if there is none.</summary>
        public ulong Generation { get; }

        /// <summary>When the current token expires.</summary>
        public DateTimeOffset? ExpiresAt { get; }

        /// <summary>When the refresh of the current token in the background is due.</summary>
        public DateTimeOffset? RefreshAt { get; }

        /// <summary>No token request is sent before this time.</summary>
        public DateTimeOffset? NextAttemptAt { get; }

        /// <summary>When a token request last returned a usable token.</summary>
        public DateTimeOffset? LastSuccessAt { get; }

        /// <summary>When a token request last failed.</summary>
        public DateTimeOffset? LastFailureAt { get; }

        /// <summary>Token requests sent.</summary>
        public ulong Requests { get; }

        /// <summary>Token requests that returned a usable token.</summary>
        public ulong Successes { get; }

        /// <summary>Token requests that failed.</summary>
        public ulong Failures { get; }

        /// <summary>Failures since the last success.</summary>
        public ulong ConsecutiveFailures { get; }

        /// <summary>Calls of Invalidate with the current token.</summary>
        public ulong Rejections { get; }

        /// <summary>Calls of Invalidate with any other text.</summary>
        public ulong IgnoredRejections { get; }

        /// <summary>Threads that wait inside the library now.</summary>
        public ulong Waiters { get; }

        /// <summary>Whether a fetch is in flight.</summary>
        public bool Fetching { get; }

        /// <summary>The error of the last failed fetch, else of the store, until it works again; or null.</summary>
        public BankHubException LastError { get; }

        private static DateTimeOffset? Utc(long unixSeconds)
        {
            return unixSeconds == 0 ? (DateTimeOffset?)null : DateTimeOffset.FromUnixTimeSeconds(unixSeconds);
        }
    }
}
