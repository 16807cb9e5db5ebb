// Tests which content of a request is sent again after a 401.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using BankHub;

static class ContentTests
{
    const string Text = "a text";

    public static void ResendsContentThatWritesItselfTwice()
    {
        var seekable = new StreamContent(new MemoryStream(Bytes(Text)));
        var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["key"] = "value" });
        foreach (var content in new HttpContent[]
        {
            new StringContent(Text),
            form,
            seekable,
            Buffered(OneTimeStream()),
            new Written(WriteText),
            Buffered(new Written(WriteOnce())),
            new MultipartFormDataContent { new StringContent(Text), form, new Written(WriteText) },
            Buffered(new MultipartContent { OneTimeStream() }),
        })
        {
            var bodies = Sent(content);
            Expect.True(bodies.Count == 2, content.GetType() + " is sent again");
            Expect.True(bodies[0] != "", "there is a content");
            Expect.Equal(bodies[0], bodies[1]);
        }
        Expect.Equal(2, Sent(null).Count);
    }

    public static void DoesNotResendOtherContent()
    {
        var throws = 0;
        foreach (var content in new HttpContent[]
        {
            OneTimeStream(),
            new MultipartFormDataContent { new StringContent(Text), OneTimeStream() },
            new Written(stream => throws++ == 0 ? Task.CompletedTask : throw new InvalidOperationException("once")),
            new Written(WriteOnce()),
            new MultipartContent { new Written(WriteOnce()) },
        })
            Expect.True(Sent(content).Count == 1, content.GetType() + " is not sent again");
    }

    // A server may answer before it reads the content.
    public static void AsksUnreadStreamWhetherItCanSeek()
    {
        Expect.Equal(1, Sent(OneTimeStream(), read: false).Count);
        Expect.Equal(1, Sent(new MultipartContent { OneTimeStream() }, read: false).Count);
        Expect.Equal(2, Sent(new Written(WriteOnce()), read: false).Count);
    }

    public static void PassesContentOnAsItIs()
    {
        Try((mockServer, cache) =>
        {
            var content = new Written(WriteText) { Length = Text.Length };
            content.Headers.ContentType = new System.Net.Http.Headers.MediaTypeHeaderValue("text/x");
            using (var client = new HttpClient(new BankHubHandler(cache)))
            using (var request = new HttpRequestMessage(HttpMethod.Post, mockServer.Url + "/v1/mock/echo"))
            {
                request.Content = content;
                var response = client.SendAsync(request).Result;
                Expect.Equal("text/x", response.Content.Headers.ContentType.ToString());
                Expect.Equal(Text, response.Content.ReadAsStringAsync().Result);
                Expect.True(request.Content == content, "the caller's request is restored");
                var seen = client.GetStringAsync(mockServer.Url + "/mock/counters").Result;
                Expect.Contains("\"content-length\":\"6\"", seen.Replace(" ", ""));
            }
        });
    }

    public static void CancelsContentThatDoesNotEnd()
    {
        Try((mockServer, cache) =>
        {
            using (var source = new CancellationTokenSource())
            {
                var times = 0;
                var content = new Written(async stream =>
                {
                    await WriteText(stream);
                    if (++times == 1)
                        return;
                    source.Cancel();
                    await Task.Delay(Timeout.Infinite);
                });
                var sent = Task.Run(() => Sent(mockServer, cache, content, true, source.Token));
                Expect.Throws<OperationCanceledException>(() => sent.GetAwaiter().GetResult());
            }
        });
    }

    // With HTTP/2, a response may arrive before the content ends.
    public static void DoesNotResendContentThatHasNotEnded()
    {
        Try((mockServer, cache) =>
        {
            var times = 0;
            var inner = new Inner(request =>
            {
                times++;
                request.Content.CopyToAsync(Stream.Null);
                return new HttpResponseMessage(HttpStatusCode.Unauthorized);
            });
            using (var client = new HttpMessageInvoker(new BankHubHandler(cache, inner)))
            using (var request = new HttpRequestMessage(HttpMethod.Post, mockServer.Url))
            {
                request.Content = new Written(_ => Task.Delay(Timeout.Infinite));
                client.SendAsync(request, CancellationToken.None).GetAwaiter().GetResult();
            }
            Expect.Equal(1, times);
        });
    }

    // The bodies of a request to which every response is a 401.
    static List<string> Sent(HttpContent content, bool read = true)
    {
        List<string> bodies = null;
        Try((mockServer, cache) => bodies = Sent(mockServer, cache, content, read, CancellationToken.None));
        return bodies;
    }

    static List<string> Sent(
        MockServer mockServer, TokenCache cache, HttpContent content, bool read, CancellationToken cancellationToken)
    {
        var bodies = new List<string>();
        var inner = new Inner(request =>
        {
            var body = new MemoryStream();
            if (read)
                request.Content?.CopyToAsync(body).Wait();
            bodies.Add(Encoding.ASCII.GetString(body.ToArray()));
            return new HttpResponseMessage(HttpStatusCode.Unauthorized);
        });
        using (var client = new HttpMessageInvoker(new BankHubHandler(cache, inner)))
        {
            var request = new HttpRequestMessage(HttpMethod.Post, mockServer.Url) { Content = content };
            client.SendAsync(request, cancellationToken).GetAwaiter().GetResult();
        }
        return bodies;
    }

    static void Try(Action<MockServer, TokenCache> test)
    {
        using (var mockServer = new MockServer())
        using (var cache = new TokenCache(mockServer.Options))
            test(mockServer, cache);
    }

    static HttpContent Buffered(HttpContent content)
    {
        content.LoadIntoBufferAsync().Wait();
        return content;
    }

    static byte[] Bytes(string text) => Encoding.ASCII.GetBytes(text);

    static HttpContent OneTimeStream() => new StreamContent(new ForwardOnly(Bytes(Text)));

    static Task WriteText(Stream stream) => stream.WriteAsync(Bytes(Text), 0, Text.Length);

    // Writes a head each time, and then what a stream has left.
    static Func<Stream, Task> WriteOnce()
    {
        var source = new MemoryStream(Bytes(Text));
        return async stream =>
        {
            await stream.WriteAsync(Bytes("head"), 0, 4);
            await source.CopyToAsync(stream);
        };
    }

    sealed class ForwardOnly : MemoryStream
    {
        public ForwardOnly(byte[] bytes) : base(bytes)
        {
        }

        public override bool CanSeek => false;
    }

    // As a program may write one. JsonContent is of this kind, and does not know its length.
    sealed class Written : HttpContent
    {
        public long? Length;

        readonly Func<Stream, Task> write;

        public Written(Func<Stream, Task> write)
        {
            this.write = write;
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext context) => write(stream);

        protected override bool TryComputeLength(out long length)
        {
            length = Length ?? 0;
            return Length != null;
        }
    }
}
