// The cache of one access token, shared by all threads of a program. What it does is decided by the library.

using System;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using static BankHub.Abi;

namespace BankHub
{
    /// <summary>Keeps one valid token. Make one per client id, and share it.</summary>
    /// <remarks>
    /// Every member may be called from any number of threads at once, Dispose included. A cache that is forgotten is
    /// closed when it is collected.
    /// </remarks>
    public sealed class TokenCache : IDisposable
    {
        /// <summary>How long a wait runs inside the library before its CancellationToken is looked at again.</summary>
        private static readonly TimeSpan WaitSlice = TimeSpan.FromMilliseconds(100);

        private static readonly TimeSpan Millisecond = TimeSpan.FromMilliseconds(1);
        private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

        private readonly Library library = Library.Loaded;
        private readonly IntPtr handle; // a number: one that was freed is answered with Closed
        private readonly TimeSpan getTimeout;
        private readonly Uri baseUrl;
        private readonly SemaphoreSlim asyncTurn = new SemaphoreSlim(1);
        private volatile Token last; // what the library handed out last, so that most calls copy nothing

        /// <summary>Sends no request, but reads CAFile, the system's trusted roots and the proxy environment.</summary>
        /// <exception cref="BankHubException">InvalidArgument: the message names the option that is wrong.</exception>
        /// <exception cref="DllNotFoundException">There is no libbankhub that fits.</exception>
        public TokenCache(TokenCacheOptions options)
        {
            if (options == null)
                throw new ArgumentNullException(nameof(options));
            getTimeout = options.GetTimeout;
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
            if (!Uri.TryCreate(options.BaseUrl ?? TokenCacheOptions.SandboxUrl, UriKind.Absolute, out baseUrl))
                throw Arguments.Invalid("base_url is not a URL that .NET can read");
        }

        /// <summary>
        /// From BANKHUB_CLIENT_ID and BANKHUB_CLIENT_SECRET and, where they are set and not empty, BANKHUB_BASE_URL,
        /// BANKHUB_STORE and BANKHUB_CA_FILE. Throws what the constructor throws.
        /// </summary>
        public static TokenCache FromEnvironment()
        {
            return new TokenCache(new TokenCacheOptions
            {
                ClientId = Required("BANKHUB_CLIENT_ID"),
                ClientSecret = Required("BANKHUB_CLIENT_SECRET"),
                BaseUrl = Variable("BANKHUB_BASE_URL"),
                Store = Variable("BANKHUB_STORE"),
                CAFile = Variable("BANKHUB_CA_FILE"),
            });
        }

        /// <summary>The text that belongs after "Authorization: Bearer ".</summary>
        /// <remarks>
        /// A valid token is returned at once. Otherwise this waits for the one token request that serves all callers,
        /// at most GetTimeout. A wait that ends early does not end the request.
        /// </remarks>
        /// <exception cref="BankHubException">Of any status.</exception>
        public string Get()
        {
            return GetToken().Value;
        }

        /// <summary><see cref="Get()"/> with a timeout of its own, zero for not waiting at all.</summary>
        /// <remarks>A cancellation ends only a wait: a valid token is returned all the same.</remarks>
        /// <exception cref="OperationCanceledException">Within 100 ms after the cancellation.</exception>
        public string Get(TimeSpan timeout, CancellationToken cancellationToken = default)
        {
            return GetToken(timeout, cancellationToken).Value;
        }

        /// <summary><see cref="Get()"/> for callers that must not block.</summary>
        /// <remarks>Completes at once with a valid token. However many wait, they hold one thread together.</remarks>
        public Task<string> GetAsync(CancellationToken cancellationToken = default)
        {
            var token = Current();
            return token != null ? Task.FromResult(token.Value) : WaitAsync(cancellationToken);
        }

        /// <summary><see cref="Get()"/>, with the token's generation and end.</summary>
        public Token GetToken()
        {
            return Current() ?? Wait(getTimeout, CancellationToken.None);
        }

        /// <summary><see cref="Get(TimeSpan, CancellationToken)"/>, with the token's generation and end.</summary>
        public Token GetToken(TimeSpan timeout, CancellationToken cancellationToken = default)
        {
            Arguments.Timeout(timeout);
            return Current() ?? Wait(timeout, cancellationToken);
        }

        /// <summary>Of the token that Get would return at once, or 0 if there is none. Never waits.</summary>
        public ulong Generation
        {
            get
            {
                var generation = library.TokenGeneration(handle);
                GC.KeepAlive(this);
                return generation;
            }
        }

        /// <summary>Reports that an API answered 401 to a token, which is replaced if it is the current one.</summary>
        /// <remarks>Any other text changes nothing, so every caller may report what it saw. Never waits.</remarks>
        /// <exception cref="BankHubException">Closed, or InvalidArgument if the text contains a NUL.</exception>
        public void Invalidate(string token)
        {
            using (var arguments = new Arguments())
            {
                var rejected = arguments.Text("token", token);
                Check(library.TokenInvalidate(handle, rejected, out var error), error);
            }
            GC.KeepAlive(this);
        }

        /// <summary>What the cache has done and is doing. Never waits.</summary>
        /// <exception cref="BankHubException">Closed.</exception>
        public TokenCacheStats Stats()
        {
            var native = new bankhub_stats { size = (UIntPtr)Marshal.SizeOf<bankhub_stats>() };
            var status = library.TokenStats(handle, ref native);
            GC.KeepAlive(this);
            if (status != BANKHUB_OK)
                throw new BankHubException((BankHubStatus)status, Marshal.PtrToStringAnsi(library.StatusName(status)));
            return new TokenCacheStats(native);
        }

        /// <summary>
        /// Ends the cache: calls that wait throw Closed at once, and later ones too. Doing it again does nothing.
        /// </summary>
        public void Dispose()
        {
            library.TokenFree(handle);
            last = null;
            GC.SuppressFinalize(this);
        }

        /// <summary>Ends a cache that was forgotten.</summary>
        ~TokenCache()
        {
            if (handle != IntPtr.Zero) // it is zero, and library perhaps null, if the constructor threw
                library.TokenFree(handle);
        }

        // Whether it has the origin of the API that the token is for.
        internal bool Serves(Uri uri)
        {
            const UriComponents origin = UriComponents.SchemeAndServer;
            return uri != null && uri.IsAbsoluteUri
                && Uri.Compare(uri, baseUrl, origin, UriFormat.Unescaped, StringComparison.OrdinalIgnoreCase) == 0;
        }

        // What needs no wait: the token that was handed out last, or one that has replaced it meanwhile.
        private Token Current()
        {
            var token = last;
            var generation = Generation;
            if (token != null && token.Generation == generation)
                return token;
            if (generation == 0)
                return null;
            try { return Copy(TimeSpan.Zero); }
            catch (BankHubException) { return null; } // it has ended since
        }

        private Token Wait(TimeSpan timeout, CancellationToken cancellationToken)
        {
            var waited = Stopwatch.StartNew();
            var slice = cancellationToken.CanBeCanceled && timeout > WaitSlice ? WaitSlice : timeout;
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var left = timeout - waited.Elapsed;
                // Perhaps only a slice of the caller's time has passed.
                try { return Copy(left < slice ? left : slice); }
                catch (BankHubException error) when (error.Status == BankHubStatus.DeadlineExceeded && left > slice) { }
            }
        }

        // One caller at a time waits inside the library, on a thread; the others wait for their turn, on none.
        private async Task<string> WaitAsync(CancellationToken cancellationToken)
        {
            var waited = Stopwatch.StartNew();
            Func<Token> wait = () => Wait(getTimeout - waited.Elapsed, cancellationToken);
            var entered = false;
            try
            {
                entered = await asyncTurn.WaitAsync(getTimeout, cancellationToken).ConfigureAwait(false);
                var token = Current() ?? await Task.Run(wait, cancellationToken).ConfigureAwait(false);
                return token.Value;
            }
            // As a TaskCanceledException, by which programs tell that HttpClient's timeout has passed.
            catch (OperationCanceledException) { return await Task.FromCanceled<string>(cancellationToken); }
            finally
            {
                if (entered)
                    asyncTurn.Release();
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

        private static string Variable(string name)
        {
            var value = Environment.GetEnvironmentVariable(name);
            return value == "" ? null : value;
        }

        private static string Required(string name)
        {
            return Variable(name) ?? throw Arguments.Invalid(name + " is not set in the environment");
        }
    }
}
