// Gets a token, uses it, recovers from its revocation, and shows that 64 threads cause one token request.

using System;
using System.Linq;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text;
using System.Threading.Tasks;
using BankHub;

static class Demo
{
    static readonly HttpClient Http = new HttpClient { Timeout = TimeSpan.FromSeconds(10) };
    static readonly string Company = (Variable("BANKHUB_BASE_URL") ?? TokenCacheOptions.SandboxUrl) + "/v1/company";

    static int Main()
    {
        Console.OutputEncoding = new UTF8Encoding(false);
        try
        {
            Run().GetAwaiter().GetResult();
            return 0;
        }
        catch (Exception e)
        {
            Console.Error.WriteLine("demo: " + e.Message);
            return 1;
        }
    }

    static async Task Run()
    {
        using (var cache = TokenCache.FromEnvironment())
        {
            var token = cache.GetToken();
            Console.WriteLine($"token: {Masked(token.Value)}");
            Console.WriteLine($"expires: {token.ExpiresAt:yyyy-MM-dd HH:mm:ss} UTC");
            Console.WriteLine($"resource: {await GetCompany(token.Value, expected: 200)}");
            if (Variable("BANKHUB_DEMO_REVOKE_URL") is string revokeUrl)
                await RecoverFrom401(cache, revokeUrl);
        }
        Console.WriteLine($"threads: {await RequestsOfThreads(64)}");
    }

    // Reports the rejected token, gets another one, and sends the request once more.
    static async Task RecoverFrom401(TokenCache cache, string revokeUrl)
    {
        (await Http.PostAsync(revokeUrl, null)).Dispose();
        var token = await cache.GetAsync();
        var before = await GetCompany(token, expected: 401);
        cache.Invalidate(token);
        var after = await GetCompany(await cache.GetAsync(), expected: 200);
        Console.WriteLine($"revoked: {before}, then {after}");
    }

    static async Task<ulong> RequestsOfThreads(int threads)
    {
        using (var cache = TokenCache.FromEnvironment())
        {
            var gets = Enumerable.Range(0, threads)
                .Select(_ => Task.Factory.StartNew(() => cache.Get(), TaskCreationOptions.LongRunning));
            await Task.WhenAll(gets);
            return cache.Stats().Requests;
        }
    }

    static async Task<int> GetCompany(string token, int expected)
    {
        using (var request = new HttpRequestMessage(HttpMethod.Get, Company))
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using (var response = await Http.SendAsync(request))
            {
                var status = (int)response.StatusCode;
                if (status != expected)
                    throw new InvalidOperationException($"the API answered {status}, expected {expected}");
                return status;
            }
        }
    }

    static string Masked(string token)
    {
        return token.Length < 16 ? "…" : token.Substring(0, 4) + "…" + token.Substring(token.Length - 4);
    }

    static string Variable(string name)
    {
        var value = Environment.GetEnvironmentVariable(name);
        return value == "" ? null : value;
    }
}
