// Tests a cache that the program no longer uses, and did not dispose.

using System;
using System.Reflection;
using System.Threading;
using BankHub;

static class UnusedCacheTests
{
    public static void IsClosedByCollector()
    {
        using (var mockServer = new MockServer())
        {
            object handle = null;
            // On a thread of its own, so that its stack holds no reference during the collection.
            var user = new Thread(() =>
            {
                var cache = new TokenCache(mockServer.Options);
                cache.Get();
                handle = Field(cache, "handle");
            });
            user.Start();
            user.Join();
            using (var other = new TokenCache(mockServer.Options))
            {
                var library = Field(other, "library");
                var generation = (Delegate)library.GetType().GetField("TokenGeneration").GetValue(library);
                Expect.Soon(() => Collected(() => (ulong)generation.DynamicInvoke(handle) == 0), "it is closed");
            }
        }
    }

    public static void IsKeptWhileCallWaits()
    {
        using (var mockServer = new MockServer(latencyMilliseconds: 1000))
        {
            string token = null;
            var user = new Thread(() => token = new TokenCache(mockServer.Options).Get());
            user.Start();
            while (user.IsAlive)
                Collected(() => true);
            Expect.Equal(40, token?.Length);
        }
    }

    public static void IgnoresFailedConstructor()
    {
        Expect.Fails(BankHubStatus.InvalidArgument, () => new TokenCache(new TokenCacheOptions()));
        Collected(() => true);
    }

    static bool Collected(Func<bool> condition)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return condition();
    }

    static object Field(TokenCache cache, string name)
    {
        return typeof(TokenCache).GetField(name, BindingFlags.NonPublic | BindingFlags.Instance).GetValue(cache);
    }
}
