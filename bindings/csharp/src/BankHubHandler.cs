// Adds the token of a cache to the requests of HttpClient.

using System;
using System.Collections.Generic;
using System.Linq;
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
    /// and the content can be sent again: bytes, text, a form, or several of these, but not a stream. Otherwise the
    /// caller gets the 401; a second 401 is also returned to the caller. A request that has an Authorization header is
    /// sent unchanged. Any number of threads may use the handler. It never disposes the cache.
    /// </para>
    /// <para>If there is no token, the handler throws the BankHubException and does not send the request.</para>
    /// <para>The synchronous HttpClient.Send of .NET 5 and later sends without a token: use SendAsync.</para>
    /// </remarks>
    public sealed class BankHubHandler : DelegatingHandler
    {
        private readonly TokenCache cache;

        /// <summary>Uses an inner handler that follows no redirect, because .NET would drop the token.</summary>
        public BankHubHandler(TokenCache cache)
            : this(cache, new HttpClientHandler { AllowAutoRedirect = false })
        {
        }

        /// <summary>Uses the given inner handler. Null: it is set later, for example by a factory.</summary>
        public BankHubHandler(TokenCache cache, HttpMessageHandler innerHandler)
        {
            this.cache = cache ?? throw new ArgumentNullException(nameof(cache));
            if (innerHandler != null)
                InnerHandler = innerHandler;
        }

        /// <inheritdoc/>
        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var uri = request.RequestUri;
            // Not the property: it is null for a header that .NET cannot parse.
            if (!cache.IsOwnOrigin(uri) || request.Headers.Contains("Authorization"))
                return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            try
            {
                var token = await cache.GetAsync(cancellationToken).ConfigureAwait(false);
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
            }
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
            if (!CanBeSentAgain(content))
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

        private static bool CanBeSentAgain(HttpContent content)
        {
            return content == null || content is ByteArrayContent
                || content is IEnumerable<HttpContent> parts && parts.All(CanBeSentAgain);
        }
    }
}
