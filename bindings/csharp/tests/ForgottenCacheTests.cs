// A cache that nobody disposed of, nor holds any longer.

using System;
using System.Reflection;
using System.Threading;
using BankHub;

static class ForgottenCacheTests
{
    public static void IsClosedWhenItIsCollected()
    {
        using (var mockServer = new MockServer())
        {
            object handle = null;
            // On a thread of its own, whose stack is gone when the collector looks for references.
            var forgetful = new Thread(() =>
            {
                var cache = new TokenCache(mockServer.Options);
                cache.Get();
                handle = Field(cache, "handle");
            });
            forgetful.Start();
            forgetful.Join();
            using (var other = new TokenCache(mockServer.Options))
            {
                var library = Field(other, "library");
                var generation = (Delegate)library.GetType().GetField("TokenGeneration").GetValue(library);
                Expect.Soon(() => Collected(() => (ulong)generation.DynamicInvoke(handle) == 0), "it is closed");
            }
        }
    }

    public static void IsNotCollectedWhileItWaits()
    {
        using (var mockServer = new MockServer(latencyMilliseconds: 1000))
        {
            string token = null;
            var forgetful = new Thread(() => token = new TokenCache(mockServer.Options).Get());
            forgetful.Start();
            while (forgetful.IsAlive)
                Collected(() => true);
            Expect.Equal(40, token?.Length);
        }
    }

    public static void IsNoTroubleIfItsConstructorFailed()
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
