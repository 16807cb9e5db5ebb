// Tests what programs that are built around IHttpClientFactory and dependency injection do.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;
using BankHub;

static class FactoryTests
{
    // AddHttpMessageHandler refuses a handler that has an inner handler, and then sets one.
    public static void LeavesInnerHandlerToFactory()
    {
        using (var mockServer = new MockServer())
        using (var cache = new TokenCache(mockServer.Options))
        {
            var handler = new BankHubHandler(cache);
            Expect.Equal(null, handler.InnerHandler);
            handler.InnerHandler = new Inner(_ => new HttpResponseMessage(HttpStatusCode.Accepted));
            using (var client = new HttpClient(handler))
                Expect.Equal(HttpStatusCode.Accepted, client.GetAsync(mockServer.Url).Result.StatusCode);
        }
    }

    public static void SetsInnerHandlerOnce()
    {
        using (var mockServer = new MockServer())
        using (var cache = new TokenCache(mockServer.Options))
        {
            var handler = new BankHubHandler(cache);
            using (var client = new HttpClient(handler))
            {
                var url = mockServer.Url + "/v1/company";
                var calls = Enumerable.Range(0, 16).Select(_ => client.GetAsync(url)).ToArray();
                Expect.True(calls.All(call => call.Result.IsSuccessStatusCode), "each call has the token");
                var inner = handler.InnerHandler;
                var redirects = inner.GetType().GetProperty("AllowAutoRedirect").GetValue(inner);
                Expect.Equal(false, redirects);
                var lifetime = inner.GetType().GetProperty("PooledConnectionLifetime").GetValue(inner);
                Expect.Equal(TimeSpan.FromMinutes(2), lifetime);
            }
        }
    }

    // As the factory does: its own handler logs the headers before the primary handler sends the request.
    public static void AddsTokenAfterLogOfFactory()
    {
        using (var mockServer = new MockServer())
        using (var cache = new TokenCache(mockServer.Options))
        {
            var log = new Log(new BankHubHandler(cache));
            using (var client = new HttpClient(log))
                Expect.Equal(HttpStatusCode.OK, client.GetAsync(mockServer.Url + "/v1/company").Result.StatusCode);
            Expect.Contains("X-Seen", log.Text);
            Expect.Lacks(cache.Get(), log.Text);
        }
    }

    public static void SendsTokenOfSubstitute()
    {
        var cache = new Substitute { Tokens = { "first", "second" } };
        var sent = new List<string>();
        var inner = new Inner(request =>
        {
            sent.Add(request.Headers.Authorization?.Parameter);
            return new HttpResponseMessage(sent.Count == 1 ? HttpStatusCode.Unauthorized : HttpStatusCode.OK);
        });
        using (var client = new HttpClient(new BankHubHandler(cache, inner)))
        {
            Expect.Equal(HttpStatusCode.OK, client.GetAsync("https://hub.test/v1/company").Result.StatusCode);
            Expect.Equal("first,second", string.Join(",", sent));
            client.GetAsync("https://other.test/v1/company").Wait();
            Expect.Equal(null, sent.Last());
        }
    }

    public static void ThrowsExceptionOfSubstitute()
    {
        var after = TimeSpan.FromSeconds(7);
        var cache = new Substitute { Error = new BankHubException(BankHubStatus.RateLimited, "later", 429, after) };
        using (var client = new HttpClient(new BankHubHandler(cache)))
        {
            var error = Expect.Fails(BankHubStatus.RateLimited, () =>
                client.GetAsync("https://hub.test/").GetAwaiter().GetResult());
            Expect.Equal("later", error.Message);
            Expect.Equal(429, error.HttpStatus);
            Expect.Equal(after, error.RetryAfter);
        }
        Expect.Equal(null, new BankHubException(BankHubStatus.Unavailable, "x").RetryAfter);
    }

    public static void SaysThatCacheIsClosed()
    {
        var cache = new TokenCache(new TokenCacheOptions { ClientId = "id", ClientSecret = "secret" });
        cache.Dispose();
        Action getAsync = () => cache.GetAsync().GetAwaiter().GetResult();
        foreach (var call in new[] { () => cache.Stats(), () => cache.Get(), getAsync })
            Expect.Contains("the token cache was closed", Expect.Fails(BankHubStatus.Closed, call).Message);
    }

    sealed class Log : DelegatingHandler
    {
        public string Text = "";

        public Log(HttpMessageHandler inner) : base(inner)
        {
        }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken _)
        {
            request.Headers.Add("X-Seen", "1");
            Text += request.Headers;
            var response = await base.SendAsync(request, _);
            Text += response.RequestMessage + response.Headers.ToString();
            return response;
        }
    }

    sealed class Substitute : ITokenCache
    {
        public readonly List<string> Tokens = new List<string>();
        public Exception Error;

        public Uri BaseUrl => new Uri("https://hub.test");
        public string Get() => Error == null ? Tokens[0] : throw Error;
        public string Get(TimeSpan timeout, CancellationToken cancellationToken) => Get();
        public Task<string> GetAsync(CancellationToken cancellationToken) => Task.Run(() => Get());
        public Token GetToken() => new Token(Get(), 1, DateTimeOffset.MaxValue);
        public Token GetToken(TimeSpan timeout, CancellationToken cancellationToken) => GetToken();
        public void Invalidate(string token) => Tokens.Remove(token);
    }
}
