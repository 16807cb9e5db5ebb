// Tests waiting for a token: how long, on which thread, and what ends the wait.

using System;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using BankHub;

static class WaitTests
{
    const int PromptMilliseconds = 1000;
    const int LatencyMilliseconds = 2000;

    static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    public static void CancellationEndsWaitNotFetch()
    {
        CancellationEnds((cache, token) => Task.Run(() => cache.Get(Long, token)));
    }

    public static void CancellationEndsAsyncWaitNotFetch()
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
            Expect.Soon(() => cache.Stats().Waiters == 1, "a call waits");
            source.Cancel();
            Expect.Within(PromptMilliseconds, () => Expect.Throws<OperationCanceledException>(() => Result(task)));
            cache.Get();
            Expect.Equal(1UL, cache.Stats().Requests);
        }
    }

    public static void CancelsOnlyOneAsyncCaller()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        using (var source = new CancellationTokenSource())
        {
            var first = cache.GetAsync(source.Token);
            var second = cache.GetAsync();
            var third = cache.GetAsync(source.Token);
            Expect.Soon(() => cache.Stats().Waiters == 1, "a call waits");
            source.Cancel();
            foreach (var task in new[] { first, third })
                Expect.Within(PromptMilliseconds, () => Expect.Throws<OperationCanceledException>(() => Result(task)));
            Expect.Equal(cache.Get(), Result(second));
        }
    }

    public static void EndsCancellableWaitAtTimeout()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        using (var source = new CancellationTokenSource())
        {
            var elapsed = Stopwatch.StartNew();
            var timeout = TimeSpan.FromMilliseconds(250);
            Action get = () => cache.Get(timeout, source.Token);
            Expect.Within(PromptMilliseconds, () => Expect.Fails(BankHubStatus.DeadlineExceeded, get));
            Expect.True(elapsed.Elapsed >= timeout, "the call waits until its timeout");
        }
    }

    public static void ReturnsValidTokenAfterCancellation()
    {
        using (var mockServer = new MockServer())
        using (var cache = new TokenCache(mockServer.Options))
        {
            var token = cache.Get();
            var cancelled = new CancellationToken(true);
            Expect.True(ReferenceEquals(token, cache.Get(TimeSpan.Zero, cancelled)), "it returns the same string");
            var task = cache.GetAsync(cancelled);
            Expect.True(task.IsCompleted, "GetAsync completes at once");
            Expect.True(ReferenceEquals(token, task.Result), "it returns the same string");
        }
    }

    public static void ReturnsReplacedTokenAfterCancellation()
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
            Expect.True(get(cache, new CancellationToken(true)) != last, "the call returns the other token");
        }
    }

    public static void GetAsyncDoesNotBlock()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        {
            Task<string> task = null;
            Expect.Within(PromptMilliseconds, () => task = cache.GetAsync());
            Expect.True(!task.IsCompleted, "there is no token yet");
            Expect.Equal(cache.Get(), Result(task));
        }
    }

    public static void SharesOneThreadAmongAsyncCallers()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        {
            var tasks = Enumerable.Range(0, 1000).Select(_ => cache.GetAsync()).ToArray();
            Expect.Soon(() => cache.Stats().Waiters > 0, "a call waits");
            Thread.Sleep(LatencyMilliseconds / 4); // time enough for others to wait in the library
            Expect.Equal(1UL, cache.Stats().Waiters);
            Expect.Within(2 * LatencyMilliseconds, () => Task.WaitAll(tasks));
            Expect.True(tasks.All(task => ReferenceEquals(task.Result, tasks[0].Result)), "all have the same string");
            Expect.Equal(1UL, cache.Stats().Requests);
        }
    }

    // All threads of the pool block until they have the token.
    public static void NeedsNoThreadOfPool()
    {
        const int callers = 30, latencyMilliseconds = 300;
        using (var mockServer = new MockServer(latencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        {
            Func<Task<string>> get = async () => await cache.GetAsync().ConfigureAwait(false);
            WithSmallestPool(() =>
            {
                var blocked = Enumerable.Range(0, callers).Select(_ => Task.Run(() => get().Result)).ToArray();
                Expect.Within(10 * latencyMilliseconds, () => Task.WaitAll(blocked));
            });
        }
    }

    static void WithSmallestPool(Action test)
    {
        ThreadPool.GetMinThreads(out var least, out var leastPorts);
        ThreadPool.GetMaxThreads(out var most, out var mostPorts);
        ThreadPool.SetMinThreads(1, 1);
        Expect.True(ThreadPool.SetMaxThreads(Environment.ProcessorCount, mostPorts), "the pool is small");
        try
        {
            test();
        }
        finally
        {
            ThreadPool.SetMaxThreads(most, mostPorts);
            ThreadPool.SetMinThreads(least, leastPorts);
        }
    }

    public static void DelaysNobodyWhereContinuationBlocks()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        using (var end = new ManualResetEventSlim())
        {
            Action<Task<string>> block = _ => end.Wait();
            Func<Task> wait = () => cache.GetAsync().ContinueWith(block, TaskContinuationOptions.ExecuteSynchronously);
            var blocked = new[] { wait(), wait() };
            var others = Enumerable.Range(0, 10).Select(_ => cache.GetAsync()).ToArray();
            Expect.Within(LatencyMilliseconds + PromptMilliseconds, () => Task.WaitAll(others));
            end.Set();
            Task.WaitAll(blocked);
        }
    }

    public static void LetsContinuationWaitForNextToken()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds / 10))
        using (var cache = new TokenCache(mockServer.Options))
        {
            Func<Task<string>, string> replace = token =>
            {
                cache.Invalidate(token.Result);
                return cache.GetAsync().Result;
            };
            var first = cache.GetAsync();
            var next = first.ContinueWith(replace, TaskContinuationOptions.ExecuteSynchronously);
            Expect.True(next.Wait(Long), "it does not wait for itself");
            Expect.True(next.Result != first.Result, "it gets the next token");
        }
    }

    // Those that come later wait on after it.
    public static void EndsAsyncWaitAtItsOwnTimeout()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        {
            var options = mockServer.Options;
            options.GetTimeout = TimeSpan.FromMilliseconds(LatencyMilliseconds * 3 / 4);
            using (var cache = new TokenCache(options))
            {
                var elapsed = Stopwatch.StartNew();
                var first = cache.GetAsync();
                Thread.Sleep(LatencyMilliseconds * 13 / 20);
                var second = cache.GetAsync();
                FailsAtDeadline(first);
                Expect.True(elapsed.Elapsed >= options.GetTimeout, "the first waits until its timeout");
                Expect.True(!second.IsCompleted, "the second waits on");
                Expect.Equal(40, Result(second).Length);
            }
        }
    }

    public static void GivesEachAsyncCallerItsOwnException()
    {
        using (var mockServer = new MockServer())
        {
            var options = mockServer.Options;
            options.ClientSecret = "another";
            options.BaseUrl = mockServer.Url;
            using (var cache = new TokenCache(options))
            {
                var errors = new[] { cache.GetAsync(), cache.GetAsync() }.Select(task =>
                    Expect.Fails(BankHubStatus.Unauthenticated, () => Result(task))).ToArray();
                Expect.True(errors[0] != errors[1], "there are two exceptions");
                Expect.Equal(errors[0].Message, errors[1].Message);
            }
        }
    }

    public static void LeavesNoThreadAfterCancellation()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        using (var source = new CancellationTokenSource())
        {
            var task = cache.GetAsync(source.Token);
            Expect.Soon(() => cache.Stats().Waiters == 1, "a call waits");
            source.Cancel();
            Expect.Equal(TaskStatus.Canceled, task.Status);
            Expect.Within(PromptMilliseconds, () => Expect.Soon(() => cache.Stats().Waiters == 0, "no thread waits"));
        }
    }

    public static void AppliesGetTimeoutToEveryAsyncCaller()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        {
            var options = mockServer.Options;
            options.GetTimeout = TimeSpan.FromMilliseconds(250);
            using (var cache = new TokenCache(options))
            {
                var tasks = Enumerable.Range(0, 10).Select(_ => cache.GetAsync()).ToArray();
                foreach (var task in tasks)
                    Expect.Within(PromptMilliseconds, () => FailsAtDeadline(task));
            }
        }
    }

    public static void DisposeEndsEveryAsyncCaller()
    {
        using (var mockServer = new MockServer(LatencyMilliseconds))
        using (var cache = new TokenCache(mockServer.Options))
        {
            var tasks = Enumerable.Range(0, 10).Select(_ => cache.GetAsync()).ToArray();
            Expect.Soon(() => cache.Stats().Waiters == 1, "a call waits");
            cache.Dispose();
            foreach (var task in tasks)
                Expect.Within(PromptMilliseconds, () => Expect.Fails(BankHubStatus.Closed, () => Result(task)));
        }
    }

    public static void PassesErrorToAsyncCaller()
    {
        using (var mockServer = new MockServer())
        {
            var options = mockServer.Options;
            options.ClientSecret = "another";
            using (var cache = new TokenCache(options))
            {
                var error = Expect.Fails(BankHubStatus.Unauthenticated, () => Result(cache.GetAsync()));
                Expect.Equal(401, error.HttpStatus);
                Expect.True(error.RetryAfter > TimeSpan.FromSeconds(1), "the error says when to try again");
            }
        }
    }

    static void FailsAtDeadline(Task<string> task)
    {
        Expect.Fails(BankHubStatus.DeadlineExceeded, () => Result(task));
    }

    static string Result(Task<string> task)
    {
        return task.GetAwaiter().GetResult();
    }
}
