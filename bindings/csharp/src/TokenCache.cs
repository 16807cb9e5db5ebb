// The cache of one access token, which all threads of a program share. The library makes every decision.

using System;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using static BankHub.Abi;

namespace BankHub
{
    /// <summary>Keeps one valid token. Make one per client id and share it.</summary>
    /// <remarks>
    /// Any number of threads may call every member at once, Dispose included. The garbage collector closes a cache that
    /// the program no longer uses.
    /// </remarks>
    public sealed class TokenCache : ITokenCache, IDisposable
    {
        /// <summary>How long a call waits inside the library before it checks its CancellationToken again.</summary>
        private static readonly TimeSpan CancellationCheckInterval = TimeSpan.FromMilliseconds(100);

        private static readonly TimeSpan Millisecond = TimeSpan.FromMilliseconds(1);
        private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

        private readonly Library library = Library.Loaded;
        private readonly IntPtr handle; // a number, not an address: after Dispose, calls return Closed
        private readonly TimeSpan getTimeout;
        private readonly Waiters waiters;
        private volatile Token last; // the last token that the library returned, so that most calls copy nothing

        /// <summary>Sends no request, but reads CAFile, the system's trusted roots and the proxy variables.</summary>
        /// <exception cref="BankHubException">InvalidArgument; the message names the wrong option.</exception>
        /// <exception cref="DllNotFoundException">No libbankhub fits.</exception>
        public TokenCache(TokenCacheOptions options)
        {
            if (options == null)
                throw new ArgumentNullException(nameof(options));
            getTimeout = options.GetTimeout;
            waiters = new Waiters(Copy);
            using (var arguments = new Arguments())
            {
                var config = new bankhub_config
                {
                    size = (UIntPtr)Marshal.SizeOf<bankhub_config>(),
                    client_id = arguments.Text("client_id", options.ClientId),
                    client_secret = arguments.Text("client_secret", options.ClientSecret),
                    base_url = arguments.Text("base_url", options.BaseUrl),
                    ca_file = arguments.Text("ca_file", options.CAFile),
                    proxy = arguments.Text("proxy", options.Proxy),
                    store = arguments.Text("store", options.Store),
                    connect_timeout_ms = Arguments.Duration("connect_timeout", options.ConnectTimeout, Millisecond),
                    request_timeout_ms = Arguments.Duration("request_timeout", options.RequestTimeout, Millisecond),
                    get_timeout_ms = Arguments.Duration("get_timeout", options.GetTimeout, Millisecond),
                    refresh_ahead_s = Arguments.Duration("refresh_ahead", options.RefreshAhead, Second),
                    flags = options.AllowHttp ? BANKHUB_ALLOW_HTTP : 0,
                };
                Check(library.TokenNew(ref config, out handle, out var error), error);
            }
            var url = string.IsNullOrEmpty(options.BaseUrl) ? TokenCacheOptions.SandboxUrl : options.BaseUrl;
            if (!Uri.TryCreate(url, UriKind.Absolute, out var baseUrl))
                throw Arguments.Invalid("base_url is not a URL that .NET can parse; use https://host[:port][/path]");
            BaseUrl = baseUrl;
        }

        /// <summary>
        /// Makes a cache from the environment: BANKHUB_CLIENT_ID and BANKHUB_CLIENT_SECRET, which are required, and
        /// BANKHUB_BASE_URL, BANKHUB_STORE and BANKHUB_CA_FILE. A variable that is empty counts as not set. It throws
        /// the same exceptions as the constructor.
        /// </summary>
        public static TokenCache FromEnvironment()
        {
            return new TokenCache(new TokenCacheOptions
            {
                ClientId = Required("BANKHUB_CLIENT_ID"),
                ClientSecret = Required("BANKHUB_CLIENT_SECRET"),
                BaseUrl = Environment.GetEnvironmentVariable("BANKHUB_BASE_URL"),
                Store = Environment.GetEnvironmentVariable("BANKHUB_STORE"),
                CAFile = Environment.GetEnvironmentVariable("BANKHUB_CA_FILE"),
            });
        }

        /// <inheritdoc/>
        public Uri BaseUrl { get; }

        /// <summary>Returns the text to send after "Authorization: Bearer ".</summary>
        /// <remarks>
        /// A valid token is returned at once. Otherwise the call waits for the one token request that serves all
        /// callers, for at most GetTimeout. The end of the wait does not end the request. If there is a store and the
        /// token is due, the call first waits for the token of another process, for at most 100 ms.
        /// </remarks>
        /// <exception cref="BankHubException">Of any status.</exception>
        public string Get()
        {
            return GetToken().Value;
        }

        /// <summary><see cref="Get()"/> with a timeout of its own, or none. Zero: it does not wait.</summary>
        /// <remarks>A cancellation ends only a wait: a valid token is returned even after it.</remarks>
        /// <exception cref="OperationCanceledException">Within 100 ms after the cancellation.</exception>
        public string Get(TimeSpan timeout, CancellationToken cancellationToken = default)
        {
            return GetToken(timeout, cancellationToken).Value;
        }

        /// <summary><see cref="Get()"/> for callers that must not block.</summary>
        /// <remarks>
        /// Completes at once if there is a valid token. All waiting callers share one thread, which is not one of the
        /// pool. Code after an await may run on a thread of this library, unless it has a context of its own.
        /// </remarks>
        public Task<string> GetAsync(CancellationToken cancellationToken = default)
        {
            try
            {
                var token = Current();
                if (token == null)
                {
                    token = Copy(TimeSpan.Zero);
                    if (Generation == 0 && !cancellationToken.IsCancellationRequested) // it is about to be replaced
                        return waiters.Add(getTimeout, cancellationToken);
                }
                return Task.FromResult(token.Value);
            }
            catch (BankHubException e) when (e.Status != BankHubStatus.DeadlineExceeded)
            {
                return Task.FromException<string>(e);
            }
            catch (BankHubException) { return waiters.Add(getTimeout, cancellationToken); }
        }

        /// <summary>Like <see cref="Get()"/>, but also returns the generation and when it expires.</summary>
        public Token GetToken()
        {
            return Current() ?? Wait(getTimeout, CancellationToken.None);
        }

        /// <summary><see cref="GetToken()"/> with a timeout of its own. Zero: it does not wait.</summary>
        public Token GetToken(TimeSpan timeout, CancellationToken cancellationToken = default)
        {
            Arguments.CheckTimeout(timeout);
            return Current() ?? Wait(timeout, cancellationToken);
        }

        /// <summary>The generation of the token that Get would return at once. Never waits.</summary>
        /// <remarks>0: there is none, or another process may be about to replace it.</remarks>
        public ulong Generation
        {
            get
            {
                var generation = library.TokenGeneration(handle);
                GC.KeepAlive(this);
                return generation;
            }
        }

        /// <summary>Reports that an API answered 401 to a token. It is replaced if it is the current one.</summary>
        /// <remarks>Any other text changes nothing: every caller may report the token it used. Never waits.</remarks>
        /// <exception cref="BankHubException">Closed, Internal; InvalidArgument if it contains a NUL.</exception>
        public void Invalidate(string token)
        {
            using (var arguments = new Arguments())
            {
                var rejected = arguments.Text("token", token);
                Check(library.TokenInvalidate(handle, rejected, out var error), error);
            }
            GC.KeepAlive(this);
        }

        /// <summary>The statistics of the cache. Never waits.</summary>
        /// <exception cref="BankHubException">Closed or Internal.</exception>
        public TokenCacheStats Stats()
        {
            var native = new bankhub_stats { size = (UIntPtr)Marshal.SizeOf<bankhub_stats>() };
            var status = library.TokenStats(handle, ref native);
            GC.KeepAlive(this);
            if (status == BANKHUB_CLOSED)
                throw new BankHubException(BankHubStatus.Closed, "the token cache was closed; make a new one");
            if (status != BANKHUB_OK)
                throw new BankHubException((BankHubStatus)status, Marshal.PtrToStringAnsi(library.StatusName(status)));
            return new TokenCacheStats(native);
        }

        /// <summary>
        /// Ends the cache. Waiting calls throw Closed at once, and so does every later call. May be called twice.
        /// </summary>
        public void Dispose()
        {
            library.TokenFree(handle);
            last = null;
            GC.SuppressFinalize(this);
        }

        /// <summary>Ends a cache that the program no longer uses.</summary>
        ~TokenCache()
        {
            if (handle != IntPtr.Zero) // zero if the constructor threw; then library may be null
                library.TokenFree(handle);
        }

        // The current token, without a wait; null if there is none.
        private Token Current()
        {
            var token = last;
            var generation = Generation;
            if (token != null && token.Generation == generation)
                return token;
            if (generation == 0)
                return null;
            try { return Copy(TimeSpan.Zero); }
            catch (BankHubException) { return null; } // it has expired in the meantime
        }

        private Token Wait(TimeSpan timeout, CancellationToken cancellationToken)
        {
            var waited = Stopwatch.StartNew();
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var left = Arguments.Left(timeout, waited);
                var interval = cancellationToken.CanBeCanceled ? CancellationCheckInterval : left;
                try { return Copy(left < interval ? left : interval); }
                // Only the interval has passed, not the timeout.
                catch (BankHubException e) when (e.Status == BankHubStatus.DeadlineExceeded
                    && (left > interval || timeout == Timeout.InfiniteTimeSpan)) { }
            }
        }

        private Token Copy(TimeSpan timeout)
        {
            var milliseconds = timeout > TimeSpan.Zero ? Arguments.Count(timeout, Millisecond) : 0;
            var native = Marshal.AllocHGlobal(Marshal.SizeOf<bankhub_access_token>());
            try
            {
                Check(library.TokenGet(handle, milliseconds, native, out var error), error);
                return last = new Token(native);
            }
            finally
            {
                library.AccessTokenWipe(native);
                Marshal.FreeHGlobal(native);
                GC.KeepAlive(this);
            }
        }

        private static void Check(int status, in bankhub_error error)
        {
            if (status != BANKHUB_OK)
                throw new BankHubException(error);
        }

        private static string Required(string name)
        {
            var value = Environment.GetEnvironmentVariable(name);
            if (string.IsNullOrEmpty(value))
                throw Arguments.Invalid(name + " is not set in the environment");
            return value;
        }
    }
}
