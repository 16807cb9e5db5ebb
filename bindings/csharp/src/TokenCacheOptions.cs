// The settings of a cache. The library checks them.

using System;
using System.Threading;

namespace BankHub
{
    /// <summary>
    /// The settings of a <see cref="TokenCache"/>. Null means the default, and so does "", but for Proxy.
    /// </summary>
    /// <remarks>
    /// Assign a string to a SecretText. Every time may be <see cref="Timeout.InfiniteTimeSpan"/>: no limit, or as early
    /// as possible for RefreshAhead. Other times are more than 0, and at most 24 days.
    /// </remarks>
    public sealed class TokenCacheOptions
    {
        /// <summary>Base URL of the Bank Hub's sandbox, the default.</summary>
        public const string SandboxUrl = Abi.BANKHUB_SANDBOX_URL;

        /// <summary>Base URL of the Bank Hub's production service.</summary>
        public const string ProductionUrl = Abi.BANKHUB_PRODUCTION_URL;

        /// <summary>Required; not empty, no ':' and no control characters.</summary>
        public string ClientId { get; set; }

        /// <summary>Required; not empty, no control characters.</summary>
        public SecretText ClientSecret { get; set; }

        /// <summary>"https://host[:port][/path]"; default <see cref="SandboxUrl"/>.</summary>
        public string BaseUrl { get; set; }

        /// <summary>A PEM file of certificates to trust in addition to the system's.</summary>
        public string CAFile { get; set; }

        /// <summary>"http://[user:password@]host[:port]"; "": no proxy; default: HTTPS_PROXY and NO_PROXY.</summary>
        public SecretText Proxy { get; set; }

        /// <summary>Where processes share the token: "file:/DIR", "redis://…" and more; default: none.</summary>
        public SecretText Store { get; set; }

        /// <summary>For connect and TLS handshake; default 5 s.</summary>
        public TimeSpan? ConnectTimeout { get; set; }

        /// <summary>For one token request, from start to last byte; default 10 s.</summary>
        public TimeSpan? RequestTimeout { get; set; }

        /// <summary>How long a call without a timeout of its own waits; default 30 s.</summary>
        public TimeSpan GetTimeout { get; set; } = TimeSpan.FromSeconds(30);

        /// <summary>How long before a token expires it is refreshed, in whole seconds; default ttl/10.</summary>
        public TimeSpan? RefreshAhead { get; set; }

        /// <summary>Allows plain http to hosts other than loopback; the secret is then sent unencrypted.</summary>
        public bool AllowHttp { get; set; }
    }
}
