// Authenticates HttpClient with a token cache.

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
    /// <summary>Adds the token to requests that go to the cache's origin, and to no others.</summary>
    /// <remarks>
    /// <para>
    /// A request that is answered 401 is sent once more if there is another token and its content can be sent again:
    /// bytes, text, a form, or several of these, not a stream. Otherwise, and the second time, the 401 is the caller's.
    /// A request with an Authorization header is left alone. Serves any number of threads; never disposes the cache.
    /// </para>
    /// <para>A request for which there is no token throws the BankHubException.</para>
    /// <para>The synchronous HttpClient.Send of .NET 5 and later passes this by, and goes out without a token.</para>
    /// </remarks>
    public sealed class BankHubHandler : DelegatingHandler
    {
        private readonly TokenCache cache;

        /// <summary>Sends through a handler that follows no redirect: .NET would leave the token behind.</summary>
        public BankHubHandler(TokenCache cache)
            : this(cache, new HttpClientHandler { AllowAutoRedirect = false })
        {
        }

        /// <summary>Sends through a handler of the caller's own; null: it is set later, as by a factory.</summary>
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
            // Not by the property, which is null for a header that .NET cannot read.
            if (!cache.Serves(uri) || request.Headers.Contains("Authorization"))
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
                catch { response.Dispose(); throw; } // the wait was cancelled, and it holds a connection
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
                request.Headers.Authorization = null; // the caller's request is as it was
            }
        }

        // An inner handler may have followed a redirect, without the token: that answer says nothing of it.
        private static bool Rejects(HttpResponseMessage response, HttpRequestMessage request, Uri uri)
        {
            return response.StatusCode == HttpStatusCode.Unauthorized
                && (response.RequestMessage ?? request).RequestUri == uri;
        }

        // Another token, if it can be had and be of use.
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

        // Of a cache that was closed meanwhile, nobody wants to hear.
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
