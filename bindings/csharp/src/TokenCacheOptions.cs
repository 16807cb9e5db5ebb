// What a user may set. Whether it makes sense is judged by the library.

using System;

namespace BankHub
{
    /// <summary>What a <see cref="TokenCache"/> is made from. Whatever is left null has its default.</summary>
    public sealed class TokenCacheOptions
    {
        /// <summary>Base URL of the Bank Hub's sandbox, the default.</summary>
        public const string SandboxUrl = Abi.BANKHUB_SANDBOX_URL;

        /// <summary>Base URL of the Bank Hub's production service.</summary>
        public const string ProductionUrl = Abi.BANKHUB_PRODUCTION_URL;

        /// <summary>Required: not empty, without ':' and control characters.</summary>
        public string ClientId { get; set; }

        /// <summary>Required: not empty, without control characters.</summary>
        public string ClientSecret { get; set; }

        /// <summary>"https://host[:port][/path]"; default <see cref="SandboxUrl"/>.</summary>
        public string BaseUrl { get; set; }

        /// <summary>A PEM file whose certificates are trusted besides the system's.</summary>
        public string CAFile { get; set; }

        /// <summary>"http://[user:password@]host[:port]"; "" for none; default from HTTPS_PROXY and NO_PROXY.</summary>
        public string Proxy { get; set; }

        /// <summary>"file:/DIR", "redis://…" or "rediss://…": shares the token; default this process alone.</summary>
        public string Store { get; set; }

        /// <summary>For connect and TLS handshake; default 5 s.</summary>
        public TimeSpan? ConnectTimeout { get; set; }

        /// <summary>For one token request, from start to last byte; default 10 s.</summary>
        public TimeSpan? RequestTimeout { get; set; }

        /// <summary>How long a call waits that is not told otherwise.</summary>
        public TimeSpan GetTimeout { get; set; } = TimeSpan.FromSeconds(30);

        /// <summary>How long before its end a token is renewed, in whole seconds; default a tenth of its ttl.</summary>
        public TimeSpan? RefreshAhead { get; set; }

        /// <summary>Allows plain http beyond loopback; the secret then crosses the network in clear.</summary>
        public bool AllowHttp { get; set; }
    }
}
