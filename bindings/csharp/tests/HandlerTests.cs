// Tests the handler, except for what the conformance suite tests for all languages.

using System;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using BankHub;

static class HandlerTests
{
    public static void RestoresRequest()
    {
        Try((mockServer, cache) =>
        {
            using (var client = new HttpClient(new BankHubHandler(cache)))
            using (var request = new HttpRequestMessage(HttpMethod.Get, mockServer.Url + "/v1/company"))
            {
                Expect.Equal(HttpStatusCode.OK, client.SendAsync(request).Result.StatusCode);
                Expect.Equal(null, request.Headers.Authorization);
            }
        });
    }

    public static void SendsNoTokenAlongRedirect()
    {
        using (var other = new MockServer())
        {
            Try((mockServer, cache) =>
            {
                using (var client = new HttpClient(new BankHubHandler(cache, new HttpClientHandler())))
                {
                    var target = other.Url + "/v1/company";
                    var response = client.GetAsync(mockServer.Url + "/v1/mock/redirect?to=" + target).Result;
                    Expect.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
                    Expect.Equal(0UL, cache.Stats().Rejections);
                    var seen = client.GetStringAsync(other.Url + "/mock/counters").Result;
                    Expect.Contains("\"path\":\"/v1/company\"", seen);
                    Expect.Lacks("authorization", seen);
                }
            });
        }
    }

    public static void IgnoresRejectionAfterRedirect()
    {
        Try((mockServer, cache) =>
        {
            using (var client = new HttpClient(new BankHubHandler(cache, new HttpClientHandler())))
            {
                var url = mockServer.Url + "/v1/mock/redirect?to=/v1/company";
                Expect.Equal(HttpStatusCode.Unauthorized, client.GetAsync(url).Result.StatusCode);
                Expect.Equal(0UL, cache.Stats().Rejections);
                var seen = client.GetStringAsync(mockServer.Url + "/mock/counters").Result;
                Expect.Contains("\"resource_requests\":2,", seen);
            }
        });
    }

    public static void KeepsHeaderThatDotNetCannotParse()
    {
        foreach (var own in new[] { "key/of==", "a,b", "" })
        {
            Try((mockServer, cache) =>
            {
                using (var client = new HttpClient(new BankHubHandler(cache)))
                using (var request = new HttpRequestMessage(HttpMethod.Get, mockServer.Url + "/v1/company"))
                {
                    request.Headers.TryAddWithoutValidation("Authorization", own);
                    Expect.Equal(HttpStatusCode.Unauthorized, client.SendAsync(request).Result.StatusCode);
                    Expect.True(request.Headers.Contains("Authorization"), "the header is kept");
                }
                Expect.Equal(0UL, cache.Stats().Requests);
            });
        }
    }

    public static void DisposesRejection()
    {
        var rejection = new DisposableContent();
        Reject(rejection);
        Expect.True(rejection.Disposed, "the first response is disposed");
    }

    public static void DisposesRejectionWhenCancelled()
    {
        using (var mockServer = new MockServer(latencyMilliseconds: 1000))
        using (var cache = new TokenCache(mockServer.Options))
        using (var source = new CancellationTokenSource())
        {
            cache.Get();
            var rejection = new DisposableContent();
            var inner = new Inner(_ => new HttpResponseMessage(HttpStatusCode.Unauthorized) { Content = rejection });
            using (var client = new HttpMessageInvoker(new BankHubHandler(cache, inner)))
            {
                var sent = client.SendAsync(new HttpRequestMessage(HttpMethod.Get, mockServer.Url), source.Token);
                Expect.Soon(() => cache.Stats().Waiters == 1, "it waits for another token");
                source.Cancel();
                Expect.Throws<OperationCanceledException>(() => sent.GetAwaiter().GetResult());
            }
            Expect.True(rejection.Disposed, "the response is disposed");
        }
    }

    public static void KeepsTimeoutOfClient()
    {
        using (var mockServer = new MockServer(latencyMilliseconds: 1000))
        using (var cache = new TokenCache(mockServer.Options))
        using (var client = new HttpClient(new BankHubHandler(cache)) { Timeout = TimeSpan.FromMilliseconds(100) })
            Expect.Throws<TaskCanceledException>(() => client.GetAsync(mockServer.Url).GetAwaiter().GetResult());
    }

    public static void ReportsSecondRejection()
    {
        Try((mockServer, cache) =>
        {
            using (var client = new HttpClient(new BankHubHandler(cache)))
                client.GetAsync(mockServer.Url + "/v1/mock/unauthorized").Wait();
            Expect.Equal(2UL, cache.Stats().Rejections);
        });
    }

    public static void PassesErrorOfInnerHandler()
    {
        Try((mockServer, cache) =>
        {
            var inner = new Inner(_ => throw new IOException("broken"));
            using (var client = new HttpMessageInvoker(new BankHubHandler(cache, inner)))
            {
                var request = new HttpRequestMessage(HttpMethod.Get, mockServer.Url);
                var error = Expect.Throws<IOException>(() => Send(client, request));
                Expect.Equal("broken", error.Message);
            }
        });
    }

    static void Reject(HttpContent body)
    {
        Try((mockServer, cache) =>
        {
            var inner = new Inner(_ => new HttpResponseMessage(HttpStatusCode.Unauthorized) { Content = body });
            using (var client = new HttpMessageInvoker(new BankHubHandler(cache, inner)))
                Send(client, new HttpRequestMessage(HttpMethod.Get, mockServer.Url));
        });
    }

    static void Send(HttpMessageInvoker client, HttpRequestMessage request)
    {
        client.SendAsync(request, CancellationToken.None).GetAwaiter().GetResult();
    }

    static void Try(Action<MockServer, TokenCache> test)
    {
        using (var mockServer = new MockServer())
        using (var cache = new TokenCache(mockServer.Options))
            test(mockServer, cache);
    }

    sealed class DisposableContent : ByteArrayContent
    {
        public bool Disposed;

        public DisposableContent()
            : base(Encoding.ASCII.GetBytes("no"))
        {
        }

        protected override void Dispose(bool disposing)
        {
            Disposed = true;
            base.Dispose(disposing);
        }
    }
}
