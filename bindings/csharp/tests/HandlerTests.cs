// The handler, beside what the conformance suite says of every language's adapter.

using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using BankHub;

static class HandlerTests
{
    public static void TheCallersRequestIsAsItWas()
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

    public static void ARedirectThatAnInnerHandlerFollowsTakesNoTokenAlong()
    {
        using (var elsewhere = new MockServer())
        {
            Try((mockServer, cache) =>
            {
                using (var client = new HttpClient(new BankHubHandler(cache, new HttpClientHandler())))
                {
                    var target = elsewhere.Url + "/v1/company";
                    var response = client.GetAsync(mockServer.Url + "/v1/mock/redirect?to=" + target).Result;
                    Expect.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
                    Expect.Equal(0UL, cache.Stats().Rejections);
                    var seen = client.GetStringAsync(elsewhere.Url + "/mock/counters").Result;
                    Expect.Contains("\"path\":\"/v1/company\"", seen);
                    Expect.Lacks("authorization", seen);
                }
            });
        }
    }

    public static void ARedirectThatAnInnerHandlerFollowsSaysNothingOfTheToken()
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

    public static void AHeaderThatDotNetCannotReadIsLeftAlone()
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
                    Expect.True(request.Headers.Contains("Authorization"), "it is still there");
                }
                Expect.Equal(0UL, cache.Stats().Requests);
            });
        }
    }

    public static void ContentIsSentAgainUnlessItIsAStream()
    {
        var text = new StringContent("text");
        var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["key"] = "value" });
        var stream = new StreamContent(new MemoryStream(new byte[4]));
        Expect.Equal(2, TimesSent(null));
        Expect.Equal(2, TimesSent(text));
        Expect.Equal(2, TimesSent(form));
        Expect.Equal(2, TimesSent(new MultipartFormDataContent { text, form }));
        Expect.Equal(1, TimesSent(stream));
        Expect.Equal(1, TimesSent(new MultipartFormDataContent { text, stream }));
    }

    public static void AnAnswerThatNobodyGetsIsDisposed()
    {
        var unwanted = new Disposable();
        TimesSent(null, unwanted);
        Expect.True(unwanted.Disposed, "the first answer is disposed");
    }

    public static void AnAnswerIsDisposedIfTheWaitForAnotherTokenIsCancelled()
    {
        using (var mockServer = new MockServer(latencyMilliseconds: 1000))
        using (var cache = new TokenCache(mockServer.Options))
        using (var source = new CancellationTokenSource())
        {
            cache.Get();
            var unwanted = new Disposable();
            var inner = new Inner(_ => new HttpResponseMessage(HttpStatusCode.Unauthorized) { Content = unwanted });
            using (var client = new HttpMessageInvoker(new BankHubHandler(cache, inner)))
            {
                var sent = client.SendAsync(new HttpRequestMessage(HttpMethod.Get, mockServer.Url), source.Token);
                Expect.Soon(() => cache.Stats().Waiters == 1, "it waits for another token");
                source.Cancel();
                Expect.Throws<OperationCanceledException>(() => sent.GetAwaiter().GetResult());
            }
            Expect.True(unwanted.Disposed, "the answer is disposed");
        }
    }

    public static void TheClientsTimeoutIsWhatItIsWithoutTheHandler()
    {
        using (var mockServer = new MockServer(latencyMilliseconds: 1000))
        using (var cache = new TokenCache(mockServer.Options))
        using (var client = new HttpClient(new BankHubHandler(cache)) { Timeout = TimeSpan.FromMilliseconds(100) })
            Expect.Throws<TaskCanceledException>(() => client.GetAsync(mockServer.Url).GetAwaiter().GetResult());
    }

    public static void TheSecondRejectionIsReportedToo()
    {
        Try((mockServer, cache) =>
        {
            using (var client = new HttpClient(new BankHubHandler(cache)))
                client.GetAsync(mockServer.Url + "/v1/mock/unauthorized").Wait();
            Expect.Equal(2UL, cache.Stats().Rejections);
        });
    }

    public static void AnErrorOfTheInnerHandlerPassesThrough()
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

    // How often a request is sent whose every answer is a 401.
    static int TimesSent(HttpContent content, HttpContent answer = null)
    {
        var times = 0;
        Try((mockServer, cache) =>
        {
            var inner = new Inner(request =>
            {
                times++;
                var response = new HttpResponseMessage(HttpStatusCode.Unauthorized);
                if (times == 1 && answer != null)
                    response.Content = answer;
                return response;
            });
            using (var client = new HttpMessageInvoker(new BankHubHandler(cache, inner)))
                Send(client, new HttpRequestMessage(HttpMethod.Post, mockServer.Url) { Content = content });
        });
        return times;
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

    sealed class Inner : HttpMessageHandler
    {
        readonly Func<HttpRequestMessage, HttpResponseMessage> answer;

        public Inner(Func<HttpRequestMessage, HttpResponseMessage> answer)
        {
            this.answer = answer;
        }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken _)
        {
            return Task.Run(() => answer(request));
        }
    }

    sealed class Disposable : ByteArrayContent
    {
        public bool Disposed;

        public Disposable()
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
