// The conformance driver for C# (../PROTOCOL.md): reads requests, makes the calls, prints the replies.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading.Tasks;
using BankHub;

static class Driver
{
    static readonly Dictionary<string, TokenCache> Caches = new Dictionary<string, TokenCache>();
    static readonly List<Task<string>> Started = new List<Task<string>>();

    static void Main()
    {
        Console.WriteLine("ready csharp");
        for (var line = Console.ReadLine(); line != null; line = Console.ReadLine())
        {
            var words = line.Split(' ').Select(Uri.UnescapeDataString).ToArray();
            Console.WriteLine(Try(() => Reply(words)));
        }
    }

    static string Try(Func<string> reply)
    {
        try
        {
            return reply();
        }
        catch (BankHubException e)
        {
            return Line("error", "status", (int)e.Status, "http_status", e.HttpStatus ?? 0,
                "retry_after_ms", (long)(e.RetryAfter ?? TimeSpan.Zero).TotalMilliseconds, "type", e.Status,
                "message", e.Message);
        }
        catch (KeyNotFoundException)
        {
            return "unknown";
        }
    }

    static string Reply(string[] words)
    {
        switch (words[0])
        {
            case "layout": return Layout();
            case "new": Caches[words[1]] = new TokenCache(Options(words.Skip(2))); return "ok";
            case "from_env": Caches[words[1]] = TokenCache.FromEnvironment(); return "ok";
            case "get": return Get(Caches[words[1]], words[2]);
            case "token": return GetToken(Caches[words[1]], words[2]);
            case "start": Start(Caches[words[1]], int.Parse(words[2]), words[3]); return "ok";
            case "join": return Join();
            case "generation": return Line("ok", "generation", Caches[words[1]].Generation);
            case "invalidate": Caches[words[1]].Invalidate(words.Length > 2 ? words[2] : null); return "ok";
            case "stats": return Stats(Caches[words[1]].Stats());
            case "close": Caches[words[1]].Dispose(); return "ok";
            default: return "unknown";
        }
    }

    static TokenCacheOptions Options(IEnumerable<string> settings)
    {
        var options = new TokenCacheOptions();
        foreach (var setting in settings)
        {
            var equals = setting.IndexOf('=');
            var value = setting.Substring(equals + 1);
            switch (setting.Substring(0, equals))
            {
                case "client_id": options.ClientId = value; break;
                case "client_secret": options.ClientSecret = value; break;
                case "base_url": options.BaseUrl = value; break;
                case "ca_file": options.CAFile = value; break;
                case "proxy": options.Proxy = value; break;
                case "store": options.Store = value; break;
                case "connect_timeout_ms": options.ConnectTimeout = Milliseconds(value); break;
                case "request_timeout_ms": options.RequestTimeout = Milliseconds(value); break;
                case "get_timeout_ms": options.GetTimeout = Milliseconds(value); break;
                case "refresh_ahead_s": options.RefreshAhead = TimeSpan.FromSeconds(long.Parse(value)); break;
                case "allow_http": options.AllowHttp = value == "1"; break;
            }
        }
        return options;
    }

    static TimeSpan Milliseconds(string count) => TimeSpan.FromMilliseconds(long.Parse(count));

    static string Get(TokenCache cache, string timeout) =>
        Line("ok", "value", timeout == "default" ? cache.Get() : cache.Get(Milliseconds(timeout)));

    static string GetToken(TokenCache cache, string timeout)
    {
        var token = timeout == "default" ? cache.GetToken() : cache.GetToken(Milliseconds(timeout));
        return Line("ok", "value", token.Value, "generation", token.Generation,
            "expires_at", Unix(token.ExpiresAt));
    }

    static void Start(TokenCache cache, int count, string timeout)
    {
        for (; count > 0; count--)
            Started.Add(Task.Factory.StartNew(() => Try(() => Get(cache, timeout)), TaskCreationOptions.LongRunning));
    }

    static string Join()
    {
        var replies = Started.Select(task => task.Result).ToArray();
        Started.Clear();
        return string.Join("\n", replies.Prepend(Line("ok", "count", replies.Length)));
    }

    static long Unix(DateTimeOffset? time) => time?.ToUnixTimeSeconds() ?? 0;

    static string Stats(TokenCacheStats stats)
    {
        var last = stats.LastError;
        return Line("ok", "generation", stats.Generation, "expires_at", Unix(stats.ExpiresAt),
            "refresh_at", Unix(stats.RefreshAt), "next_attempt_at", Unix(stats.NextAttemptAt),
            "last_success_at", Unix(stats.LastSuccessAt), "last_failure_at", Unix(stats.LastFailureAt),
            "requests", stats.Requests, "successes", stats.Successes, "failures", stats.Failures,
            "consecutive_failures", stats.ConsecutiveFailures, "rejections", stats.Rejections,
            "ignored_rejections", stats.IgnoredRejections, "waiters", stats.Waiters,
            "fetching", stats.Fetching ? 1 : 0, "last_error.status", (int)(last?.Status ?? 0),
            "last_error.http_status", last?.HttpStatus ?? 0, "last_error.message", last?.Message ?? "");
    }

    // The wrapper declares the structs and constants of bankhub.h under their C names.
    static string Layout()
    {
        var abi = typeof(TokenCache).Assembly.GetType("BankHub.Abi");
        var pairs = new List<object>();
        foreach (var constant in abi.GetFields())
            pairs.AddRange(new[] { "const." + constant.Name, constant.GetRawConstantValue() });
        foreach (var type in abi.GetNestedTypes().Where(type => type.IsValueType))
        {
            pairs.AddRange(new object[] { "sizeof." + type.Name, Marshal.SizeOf(type) });
            foreach (var name in type.GetFields().Select(field => field.Name))
                pairs.AddRange(new object[] { $"offsetof.{type.Name}.{name}", Marshal.OffsetOf(type, name) });
        }
        return Line("ok", pairs.ToArray());
    }

    /// Alternately names and values.
    static string Line(string word, params object[] pairs)
    {
        for (var i = 0; i < pairs.Length; i += 2)
            word += $" {pairs[i]}={Uri.EscapeDataString(pairs[i + 1].ToString())}";
        return word;
    }
}
