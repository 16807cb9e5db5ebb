// Adds the token of a cache to the requests of HttpClient.

using System;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Threading;
using System.Threading.Tasks;

namespace BankHub
{
    /// <summary>Adds the token to requests to the origin of the cache, and to no others.</summary>
    /// <remarks>
    /// <para>
    /// When an API answers 401, the handler reports the token. It sends the request once more if there is another token
    /// and the content can be sent again: every content that can write itself twice, but not a stream that can be read
    /// only once, unless it is buffered. Otherwise the caller gets the 401; a second 401 is also returned. A request
    /// that has an Authorization header is sent unchanged. Any number of threads may use the handler. It never disposes
    /// the cache.
    /// </para>
    /// <para>If there is no token, the handler throws the BankHubException and does not send the request.</para>
    /// <para>The synchronous HttpClient.Send of .NET 5 and later sends no token: use SendAsync.</para>
    /// </remarks>
    public sealed class BankHubHandler : DelegatingHandler
    {
        /// <summary>How long the default inner handler uses a connection, so that it sees a change in DNS.</summary>
        private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(2);

        private readonly ITokenCache cache;
        private readonly object mutex = new object();

        /// <summary>
        /// Uses the inner handler that a factory sets. If none is set, the first request sets one. It follows no
        /// redirect, because .NET would drop the token. It uses a connection for 2 minutes, where .NET can limit that.
        /// </summary>
        public BankHubHandler(ITokenCache cache)
            : this(cache, null)
        {
        }

        /// <summary>Uses the given inner handler. Null: as the other constructor.</summary>
        public BankHubHandler(ITokenCache cache, HttpMessageHandler innerHandler)
        {
            this.cache = cache ?? throw new ArgumentNullException(nameof(cache));
            if (innerHandler != null)
                InnerHandler = innerHandler;
        }

        /// <inheritdoc/>
        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            SetInnerHandler();
            var uri = request.RequestUri;
            // Not the property: it is null for a header that .NET cannot parse.
            if (!IsOwnOrigin(uri) || request.Headers.Contains("Authorization"))
                return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            var content = request.Content;
            try
            {
                var token = await cache.GetAsync(cancellationToken).ConfigureAwait(false);
                request.Content = WatchedContent.Watch(content);
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
                var response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
                if (!Rejects(response, request, uri))
                    return response;
                string newer;
                try { newer = await Replace(token, request.Content, cancellationToken).ConfigureAwait(false); }
                catch { response.Dispose(); throw; } // the wait was cancelled, and the response holds a connection
                if (newer == null)
                    return response;
                response.Dispose();
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", newer);
                response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
                if (Rejects(response, request, uri))
                    Report(newer);
                return response;
            }
            finally
            {
                request.Headers.Authorization = null; // restores the caller's request
                if (request.Content != content)
                    request.Content = content;
            }
        }

        private void SetInnerHandler()
        {
            lock (mutex)
                if (InnerHandler == null)
                    InnerHandler = DefaultInnerHandler();
        }

        private static HttpMessageHandler DefaultInnerHandler()
        {
            // By reflection, because netstandard does not have the type.
            var type = typeof(HttpClientHandler).Assembly.GetType("System.Net.Http.SocketsHttpHandler");
            if (type == null || !type.IsPublic)
                return new HttpClientHandler { AllowAutoRedirect = false };
            var handler = (HttpMessageHandler)Activator.CreateInstance(type);
            type.GetProperty(nameof(HttpClientHandler.AllowAutoRedirect))?.SetValue(handler, false);
            type.GetProperty("PooledConnectionLifetime")?.SetValue(handler, ConnectionLifetime);
            return handler;
        }

        // Whether the URI has the origin of the base URL, so that it may receive the token.
        private bool IsOwnOrigin(Uri uri)
        {
            const UriComponents origin = UriComponents.SchemeAndServer;
            const StringComparison comparison = StringComparison.OrdinalIgnoreCase;
            return uri != null && uri.IsAbsoluteUri
                && Uri.Compare(uri, cache.BaseUrl, origin, UriFormat.Unescaped, comparison) == 0;
        }

        // An inner handler may have followed a redirect without the token. Such a 401 does not concern the token.
        private static bool Rejects(HttpResponseMessage response, HttpRequestMessage request, Uri uri)
        {
            return response.StatusCode == HttpStatusCode.Unauthorized
                && (response.RequestMessage ?? request).RequestUri == uri;
        }

        // Reports the token. Returns another one, or null if there is none or the content cannot be sent again.
        private async Task<string> Replace(string rejected, HttpContent content, CancellationToken cancellationToken)
        {
            Report(rejected);
            if (!await WatchedContent.CanBeSentAgain(content, cancellationToken).ConfigureAwait(false))
                return null;
            try
            {
                var token = await cache.GetAsync(cancellationToken).ConfigureAwait(false);
                return token == rejected ? null : token;
            }
            catch (BankHubException) { return null; }
        }

        // Ignores that the cache was closed in the meantime.
        private void Report(string rejected)
        {
            try { cache.Invalidate(rejected); }
            catch (BankHubException) { }
        }
    }
}
