// Measures the C# wrapper beside a lock and a semaphore around a token, and prints a table; --tiny for a test.
//
// Ends with code 1 if the wrapper missed a bar, which is CoreCLR's. Takes the credentials from the environment.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Threading;
using System.Threading.Tasks;
using BankHub;

static class Wrappers
{
    static readonly object Lock = new object();
    static readonly SemaphoreSlim Semaphore = new SemaphoreSlim(1);
    static readonly DateTime End = DateTime.UtcNow.AddHours(1);
    static string field = "token";

    static int Main(string[] words)
    {
        var tiny = words.Contains("--tiny");
        int rounds = tiny ? 3 : 25, calls = tiny ? 100 : 200000;
        using (var cache = TokenCache.FromEnvironment())
        {
            var url = Environment.GetEnvironmentVariable("BANKHUB_BASE_URL") + "/v1/company";
            cache.Get();
            var gets = new Dictionary<string, Action>
            {
                ["`TokenCache.Get`, C#"] = () => cache.Get(),
                ["a `lock` around a field and its end"] = () => Locked(),
                ["a `SemaphoreSlim` around them"] = () => Guarded(),
            };
            var handlers = new Dictionary<string, Action>
            {
                ["`BankHubHandler`, a request"] = Sending(new BankHubHandler(cache, new AtOnce()), url),
                ["a handler that sets a constant token, a request"] = Sending(new Constant(new AtOnce()), url),
            };
            var mono = Type.GetType("Mono.Runtime") != null;
            Console.WriteLine($"| ns a call, {(mono ? "Mono" : "CoreCLR")}, of so many threads | 1 | 2 |");
            Console.WriteLine("|---|--:|--:|");
            var (ours, locked) = Table(gets, rounds, calls);
            Table(handlers, rounds, calls / 10);
            if (mono || tiny || ours < locked)
                return 0;
            Console.Error.WriteLine($"Get takes {ours:F1} ns, the lock {locked:F1} ns");
            return 1;
        }
    }

    static string Locked()
    {
        lock (Lock)
            return DateTime.UtcNow < End ? field : null;
    }

    static string Guarded()
    {
        Semaphore.Wait();
        try
        {
            return DateTime.UtcNow < End ? field : null;
        }
        finally
        {
            Semaphore.Release();
        }
    }

    static Action Sending(HttpMessageHandler handler, string url)
    {
        var client = new HttpMessageInvoker(handler);
        return () => client.SendAsync(new HttpRequestMessage(HttpMethod.Get, url), CancellationToken.None).Wait();
    }

    // Prints a line for each, and returns the times of the first two on one thread.
    static (double, double) Table(Dictionary<string, Action> ways, int rounds, int calls)
    {
        var times = new[] { 1, 2 }.Select(threads => Medians(ways.Values.ToArray(), threads, rounds, calls)).ToArray();
        var names = ways.Keys.ToArray();
        for (var i = 0; i < names.Length; i++)
            Console.WriteLine($"| {names[i]} | {times[0][i]:F1} | {times[1][i]:F1} |");
        return (times[0][0], times[0][1]);
    }

    // Nanoseconds a call, of rounds in which all take their turns.
    static double[] Medians(Action[] ways, int threads, int rounds, int calls)
    {
        var times = ways.Select(_ => new List<double>()).ToArray();
        for (var round = 0; round < rounds; round++)
        {
            for (var i = 0; i < ways.Length; i++)
                times[i].Add(Round(ways[i], threads, calls));
        }
        return times.Select(ns => ns.OrderBy(one => one).ElementAt(rounds / 2)).ToArray();
    }

    static double Round(Action call, int threads, int calls)
    {
        var running = Enumerable.Range(0, threads).Select(_ => new Thread(() => Repeat(call, calls))).ToArray();
        var watch = Stopwatch.StartNew();
        foreach (var thread in running)
            thread.Start();
        foreach (var thread in running)
            thread.Join();
        return watch.Elapsed.TotalMilliseconds * 1e6 / calls;
    }

    static void Repeat(Action call, int calls)
    {
        for (var i = 0; i < calls; i++)
            call();
    }

    sealed class AtOnce : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken _)
        {
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = request });
        }
    }

    sealed class Constant : DelegatingHandler
    {
        public Constant(HttpMessageHandler inner)
            : base(inner)
        {
        }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken token)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", field);
            return base.SendAsync(request, token);
        }
    }
}
