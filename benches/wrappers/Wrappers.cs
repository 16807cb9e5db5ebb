// Measures the C# wrapper, a lock and a semaphore on demand for wrappers.py, which judges: ways.py says how they speak.
//
// Takes the credentials from the environment.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
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

    static void Main()
    {
        using (var cache = TokenCache.FromEnvironment())
        {
            var url = Environment.GetEnvironmentVariable("BANKHUB_BASE_URL") + "/v1/company";
            cache.Get();
            var ways = new Dictionary<string, Action>
            {
                ["`TokenCache.Get`, C#"] = () => cache.Get(),
                ["a `lock` around a field and its end"] = () => Locked(),
                ["a `SemaphoreSlim` around them"] = () => Guarded(),
                ["`BankHubHandler`, a request"] = Sending(new BankHubHandler(cache, new Instant()), url),
                ["a handler that sets a constant token, a request"] = Sending(new Constant(new Instant()), url),
            };
            var runtime = Type.GetType("Mono.Runtime") != null ? "Mono" : "CoreCLR";
            var names = string.Join(", ", ways.Keys.Select(name => $"\"{name}\""));
            Console.WriteLine($"{{\"runtime\": \"{runtime}\", \"ways\": [{names}]}}");
            for (var line = Console.ReadLine(); line != null; line = Console.ReadLine())
            {
                var numbers = line.Split(' ').Select(int.Parse).ToArray();
                var slices = Round(ways.Values.ToArray(), numbers[0], numbers[1], numbers.Skip(2).ToArray());
                Console.WriteLine($"[{string.Join(", ", slices.Select(Json))}]");
            }
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

    // Nanoseconds a call of each way, for each slice. Every other slice runs the ways in reverse.
    static double[][] Round(Action[] ways, int threads, int slices, int[] calls)
    {
        var costs = new double[slices][];
        for (var slice = 0; slice < slices; slice++)
        {
            costs[slice] = new double[ways.Length];
            for (var place = 0; place < ways.Length; place++)
            {
                var way = slice % 2 == 0 ? place : ways.Length - 1 - place;
                costs[slice][way] = Cost(ways[way], threads, calls[way]);
            }
        }
        return costs;
    }

    // The mean of all threads, each of which measures itself from when all of them run.
    static double Cost(Action call, int threads, int calls)
    {
        var times = new double[threads];
        using (var start = new Barrier(threads))
        {
            Action<int> run = thread =>
            {
                start.SignalAndWait();
                var watch = Stopwatch.StartNew();
                for (var i = 0; i < calls; i++)
                    call();
                times[thread] = watch.Elapsed.TotalMilliseconds * 1e6 / calls;
            };
            var others = Enumerable.Range(1, threads - 1).Select(thread => new Thread(() => run(thread))).ToArray();
            foreach (var thread in others)
                thread.Start();
            run(0);
            foreach (var thread in others)
                thread.Join();
        }
        return times.Average();
    }

    static string Json(double[] numbers)
    {
        return $"[{string.Join(", ", numbers.Select(number => number.ToString("R", CultureInfo.InvariantCulture)))}]";
    }

    sealed class Instant : HttpMessageHandler
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
