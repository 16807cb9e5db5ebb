// Tests arguments that C cannot represent.

using System;
using System.Threading;
using BankHub;

static class ArgumentTests
{
    public static void RequiresOptions()
    {
        Expect.Throws<ArgumentNullException>(() => new TokenCache(null));
    }

    public static void RefusesNegativeTimeout()
    {
        using (var cache = new TokenCache(new TokenCacheOptions { ClientId = "id", ClientSecret = "secret" }))
        {
            foreach (var timeout in new[] { TimeSpan.FromTicks(-1), TimeSpan.FromMilliseconds(-2), TimeSpan.MaxValue })
            {
                var error = Expect.Fails(BankHubStatus.InvalidArgument, () => cache.Get(timeout));
                Expect.Contains("timeout is " + timeout, error.Message);
            }
            Expect.Equal(0UL, cache.Stats().Requests);
        }
    }

    public static void AcceptsInfiniteTime()
    {
        using (var mockServer = new MockServer())
        {
            var options = mockServer.Options;
            options.ConnectTimeout = options.RequestTimeout = options.RefreshAhead = Timeout.InfiniteTimeSpan;
            options.GetTimeout = Timeout.InfiniteTimeSpan;
            foreach (var get in new Func<TokenCache, string>[]
            {
                cache => cache.Get(),
                cache => cache.GetAsync().Result,
                cache => cache.Get(Timeout.InfiniteTimeSpan),
                cache => cache.GetToken(Timeout.InfiniteTimeSpan, new CancellationTokenSource().Token).Value,
            })
                using (var cache = new TokenCache(options))
                    Expect.Equal(40, get(cache).Length);
        }
    }

    public static void RefusesDurationOfZero()
    {
        foreach (var duration in new[] { TimeSpan.Zero, TimeSpan.FromTicks(-1), TimeSpan.MaxValue })
        {
            Refused("connect_timeout", options => options.ConnectTimeout = duration);
            Refused("request_timeout", options => options.RequestTimeout = duration);
            Refused("get_timeout", options => options.GetTimeout = duration);
            Refused("refresh_ahead", options => options.RefreshAhead = duration);
        }
    }

    static void Refused(string name, Action<TokenCacheOptions> set)
    {
        var options = new TokenCacheOptions { ClientId = "id", ClientSecret = "secret" };
        set(options);
        Expect.Contains(name, Expect.Fails(BankHubStatus.InvalidArgument, () => new TokenCache(options)).Message);
    }

    public static void RefusesBaseUrlThatDotNetCannotParse()
    {
        Refused("base_url", options => options.BaseUrl = "https://hub..test");
    }

    public static void RoundsShortestDurationUp()
    {
        using (var mockServer = new MockServer(latencyMilliseconds: 1000))
        {
            var options = mockServer.Options;
            options.RequestTimeout = TimeSpan.FromTicks(1);
            using (var cache = new TokenCache(options))
                Expect.Fails(BankHubStatus.Unavailable, () => cache.Get());
        }
    }
}
