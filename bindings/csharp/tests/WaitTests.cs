// Waiting for a token: for how long, on whose thread, and what ends it.

using System;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using BankHub;

static class WaitTests
{
    const int Promptly = 1000;
    const int LatencyMilliseconds = 2000;

    static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    public static void CancellationEndsTheWaitAndNotTheFetch()
    {
        CancellationEnds((cache, token) => Task.Run(() => cache.Get(Long, token)));
    }

    public static void CancellationEndsTheAsyncWaitAndNotTheFetch()
    {
        CancellationEnds((cache, token) => cache.GetAsync(token));
    }

    static void CancellationEnds(Func<TokenCache, CancellationToken, Task<string>> get)
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        using (var source = new CancellationTokenSource())
        {
            var task = get(cache, source.Token);
            Expect.Soon(() => cache.Stats().Waiters == 1, "it waits");
            source.Cancel();
            Expect.Within(Promptly, () => Expect.Throws<OperationCanceledException>(() => Result(task)));
            cache.Get();
            Expect.Equal(1UL, cache.Stats().Requests);
        }
    }

    public static void CancellationOfOneAsyncCallerLeavesTheOthersWaiting()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        using (var source = new CancellationTokenSource())
        {
            var first = cache.GetAsync(source.Token);
            var second = cache.GetAsync();
            var third = cache.GetAsync(source.Token);
            Expect.Soon(() => cache.Stats().Waiters == 1, "it waits");
            source.Cancel();
            foreach (var task in new[] { first, third })
                Expect.Within(Promptly, () => Expect.Throws<OperationCanceledException>(() => Result(task)));
            Expect.Equal(cache.Get(), Result(second));
        }
    }

    public static void AWaitThatCouldBeCancelledEndsByItsOwnTimeout()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        using (var source = new CancellationTokenSource())
        {
            var elapsed = Stopwatch.StartNew();
            var timeout = TimeSpan.FromMilliseconds(250);
            Action get = () => cache.Get(timeout, source.Token);
            Expect.Within(Promptly, () => Expect.Fails(BankHubStatus.DeadlineExceeded, get));
            Expect.True(elapsed.Elapsed >= timeout, "it waits as long as it may");
        }
    }

    public static void AValidTokenIsHandedOutWhateverTheCancellationToken()
    {
        using (var mockServer = new MockServer())
        using (var cache = new TokenCache(mockServer.Options))
        {
            var token = cache.Get();
            var cancelled = new CancellationToken(true);
            Expect.True(ReferenceEquals(token, cache.Get(TimeSpan.Zero, cancelled)), "it is the same string");
            var task = cache.GetAsync(cancelled);
            Expect.True(task.IsCompleted, "GetAsync completes at once");
            Expect.True(ReferenceEquals(token, task.Result), "it is the same string");
        }
    }

    public static void SoIsOneThatHasReplacedTheLast()
    {
        Replaced((cache, cancelled) => cache.Get(TimeSpan.Zero, cancelled));
        Replaced((cache, cancelled) =>
        {
            var task = cache.GetAsync(cancelled);
            Expect.True(task.IsCompleted, "GetAsync completes at once");
            return Result(task);
        });
    }

    static void Replaced(Func<TokenCache, CancellationToken, string> get)
    {
        using (var mockServer = new MockServer())
        using (var cache = new TokenCache(mockServer.Options))
        {
            var last = cache.Get();
            cache.Invalidate(last);
            Expect.Soon(() => cache.Generation > 0, "there is another token");
            Expect.True(get(cache, new CancellationToken(true)) != last, "it is the other one");
        }
    }

    public static void GetAsyncDoesNotBlockItsCaller()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        {
            Task<string> task = null;
            Expect.Within(Promptly, () => task = cache.GetAsync());
            Expect.True(!task.IsCompleted, "the token is not there yet");
            Expect.Equal(cache.Get(), Result(task));
        }
    }

    public static void AThousandAsyncCallersHoldOneThread()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        {
            var tasks = Enumerable.Range(0, 1000).Select(_ => cache.GetAsync()).ToArray();
            Expect.Soon(() => cache.Stats().Waiters > 0, "one waits");
            Thread.Sleep(LatencyMilliseconds / 4); // others would have come by now
            Expect.Equal(1UL, cache.Stats().Waiters);
            Expect.Within(2 * LatencyMilliseconds, () => Task.WaitAll(tasks));
            Expect.True(tasks.All(task => ReferenceEquals(task.Result, tasks[0].Result)), "all have the same string");
            Expect.Equal(1UL, cache.Stats().Requests);
        }
    }

    public static void EveryAsyncCallerEndsByGetTimeout()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        {
            var options = mockServer.Options;
            options.GetTimeout = TimeSpan.FromMilliseconds(250);
            using (var cache = new TokenCache(options))
            {
                var tasks = Enumerable.Range(0, 10).Select(_ => cache.GetAsync()).ToArray();
                foreach (var task in tasks)
                    Expect.Within(Promptly, () => Expect.Fails(BankHubStatus.DeadlineExceeded, () => Result(task)));
            }
        }
    }

    public static void DisposeWakesEveryAsyncCaller()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        {
            var tasks = Enumerable.Range(0, 10).Select(_ => cache.GetAsync()).ToArray();
            Expect.Soon(() => cache.Stats().Waiters == 1, "one waits");
            cache.Dispose();
            foreach (var task in tasks)
                Expect.Within(Promptly, () => Expect.Fails(BankHubStatus.Closed, () => Result(task)));
        }
    }

    public static void AFailureReachesTheAsyncCallerAsItIs()
    {
        using (var mockServer = new MockServer())
        {
            var options = mockServer.Options;
            options.ClientSecret = "another";
            using (var cache = new TokenCache(options))
            {
                var error = Expect.Fails(BankHubStatus.Unauthenticated, () => Result(cache.GetAsync()));
                Expect.Equal(401, error.HttpStatus);
                Expect.True(error.RetryAfter > TimeSpan.FromSeconds(1), "it says when to try again");
            }
        }
    }

    static string Result(Task<string> task)
    {
        return task.GetAwaiter().GetResult();
    }
}
