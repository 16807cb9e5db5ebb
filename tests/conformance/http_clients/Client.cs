// The HTTP client for C# (../PROTOCOL.md): sends requests through the handler of the wrapper.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;
using BankHub;

static class Client
{
    const int TimeoutS = 10;

    static readonly TokenCache Cache = TokenCache.FromEnvironment();
    static readonly HttpClient Http = new HttpClient(new BankHubHandler(Cache));
    static readonly List<Task<string>> Started = new List<Task<string>>();

    static void Main()
    {
        ServicePointManager.DefaultConnectionLimit = 64;
        ThreadPool.SetMinThreads(64, 64);
        Http.Timeout = TimeSpan.FromSeconds(TimeoutS);
        Console.WriteLine("ready csharp");
        for (var line = Console.ReadLine(); line != null; line = Console.ReadLine())
        {
            var words = line.Split(' ').Select(Uri.UnescapeDataString).ToArray();
            Console.WriteLine(Try(() => Reply(words)).Result);
        }
        Environment.Exit(0); // does not wait for started requests
    }

    static async Task<string> Try(Func<Task<string>> reply)
    {
        try
        {
            return await reply();
        }
        catch (BankHubException e)
        {
            return Line("error", "type", e.Status, "message", e.Message);
        }
        catch (Exception e)
        {
            return Line("error", "type", e.GetType().Name, "message", e.Message);
        }
    }

    static async Task<string> Reply(string[] words)
    {
        switch (words[0])
        {
            case "send": return await Send(words);
            case "start": Start(int.Parse(words[1]), words.Skip(1).ToArray()); return "ok";
            case "join": return await Join();
            case "cancel": return await Cancel(int.Parse(words[1]), Request(words[2], words[3]));
            case "upload": return await Upload(int.Parse(words[1]), int.Parse(words[2]), words[3]);
            case "download": return await Download(words[1]);
            case "header": return await SendWithHeader(Request("GET", words[1]), words[2], words[3]);
            case "close": Cache.Dispose(); return "ok";
            default: return "unknown";
        }
    }

    static async Task<string> Send(string[] words)
    {
        var request = Request(words[1], words[2]);
        if (words.Length > 3)
            request.Content = Content(words[3]);
        return await Send(request);
    }

    static async Task<string> Send(HttpRequestMessage request)
    {
        using (var response = await Http.SendAsync(request))
            return Line("ok", "status", (int)response.StatusCode, "body", await response.Content.ReadAsStringAsync());
    }

    static void Start(int count, string[] words)
    {
        while (count-- > 0)
            Started.Add(Task.Run(() => Try(() => Send(words))));
    }

    static async Task<string> Join()
    {
        var replies = await Task.WhenAll(Started);
        Started.Clear();
        return string.Join("\n", new[] { Line("ok", "count", replies.Length) }.Concat(replies));
    }

    static async Task<string> Cancel(int afterMs, HttpRequestMessage request)
    {
        var watch = Stopwatch.StartNew();
        var cancelled = 0;
        using (var cancellation = new CancellationTokenSource(afterMs))
        {
            try
            {
                (await Http.SendAsync(request, cancellation.Token)).Dispose();
            }
            catch (OperationCanceledException)
            {
                cancelled = 1;
            }
        }
        return Line("ok", "cancelled", cancelled, "ms", watch.ElapsedMilliseconds);
    }

    static async Task<string> SendWithHeader(HttpRequestMessage request, string name, string value)
    {
        request.Headers.TryAddWithoutValidation(name, value);
        return await Send(request);
    }

    static async Task<string> Upload(int chunks, int everyMs, string url)
    {
        var request = Request("POST", url);
        request.Headers.TransferEncodingChunked = true;
        request.Content = new SlowContent(chunks, everyMs);
        return await Send(request);
    }

    static async Task<string> Download(string url)
    {
        using (var response = await Http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead))
        using (var body = await response.Content.ReadAsStreamAsync())
        {
            var buffer = new byte[64];
            var watch = new Stopwatch();
            long length = 0, last = 0;
            for (int read; (read = await body.ReadAsync(buffer, 0, buffer.Length)) > 0; length += read)
            {
                last = watch.ElapsedMilliseconds;
                watch.Start();
            }
            return Line("ok", "status", (int)response.StatusCode, "length", length, "spread_ms", last);
        }
    }

    static HttpRequestMessage Request(string method, string url)
    {
        return new HttpRequestMessage(new HttpMethod(method), url);
    }

    static HttpContent Content(string word)
    {
        var text = word.Substring(word.IndexOf('=') + 1);
        if (word.StartsWith("text="))
            return new StringContent(text);
        return new StreamContent(new OneTimeStream(System.Text.Encoding.UTF8.GetBytes(text)));
    }

    static string Line(string word, params object[] pairs)
    {
        for (var i = 0; i < pairs.Length; i += 2)
            word += " " + pairs[i] + "=" + Uri.EscapeDataString(pairs[i + 1].ToString());
        return word;
    }

    // .NET can send a stream again that can seek.
    sealed class OneTimeStream : MemoryStream
    {
        public OneTimeStream(byte[] bytes) : base(bytes)
        {
        }

        public override bool CanSeek => false;
    }

    sealed class SlowContent : HttpContent
    {
        readonly int chunks, everyMs;

        public SlowContent(int chunks, int everyMs)
        {
            this.chunks = chunks;
            this.everyMs = everyMs;
        }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext context)
        {
            var chunk = System.Text.Encoding.ASCII.GetBytes("chunk\n");
            for (var i = 0; i < chunks; i++)
            {
                await Task.Delay(i > 0 ? everyMs : 0);
                await stream.WriteAsync(chunk, 0, chunk.Length);
                await stream.FlushAsync();
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
