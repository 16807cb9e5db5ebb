// Tests that the cookies of a 401 are sent with the request that follows it.

using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Text;
using System.Threading.Tasks;
using BankHub;

static class CookieTests
{
    public static void SendsCookieOfRejectionAlong()
    {
        Serve((cache, url, seen) =>
        {
            var container = new CookieContainer();
            var inner = new HttpClientHandler { CookieContainer = container };
            using (var client = new HttpClient(new BankHubHandler(cache, inner)))
                Expect.Equal(HttpStatusCode.OK, client.GetAsync(url).Result.StatusCode);
            Expect.Equal(",route=a", string.Join(",", seen));
            Expect.Equal("a", container.GetCookies(url)["route"].Value);
        });
    }

    public static void DefaultHandlerSendsCookieOfRejectionAlong()
    {
        Serve((cache, url, seen) =>
        {
            using (var client = new HttpClient(new BankHubHandler(cache)))
                Expect.Equal(HttpStatusCode.OK, client.GetAsync(url).Result.StatusCode);
            Expect.Equal(",route=a", string.Join(",", seen));
        });
    }

    // A server that answers 401 to the first token, with a cookie.
    static void Serve(Action<TokenCache, Uri, List<string>> test)
    {
        var seen = new List<string>();
        var origin = $"http://127.0.0.1:{FreePort()}";
        using (var server = new HttpListener())
        {
            server.Prefixes.Add(origin + "/");
            server.Start();
            var served = Task.Factory.StartNew(() => Answer(server, seen), TaskCreationOptions.LongRunning);
            var options = new TokenCacheOptions { ClientId = "id", ClientSecret = "secret", BaseUrl = origin };
            using (var cache = new TokenCache(options))
                test(cache, new Uri(origin + "/v1/company"), seen);
            server.Abort();
            served.Wait();
        }
    }

    static void Answer(HttpListener server, List<string> seen)
    {
        for (var tokens = 0; ;)
        {
            HttpListenerContext context;
            try { context = server.GetContext(); }
            catch (Exception) { return; } // the server was stopped
            var response = context.Response;
            if (context.Request.RawUrl == "/v1/token")
            {
                response.StatusCode = 201;
                var body = Encoding.ASCII.GetBytes($"{{\"access_token\":\"token{++tokens}\",\"ttl\":60000}}");
                response.OutputStream.Write(body, 0, body.Length);
            }
            else
            {
                seen.Add(context.Request.Headers["Cookie"] ?? "");
                response.StatusCode = context.Request.Headers["Authorization"] == "Bearer token1" ? 401 : 200;
                response.AddHeader("Set-Cookie", "route=a; Path=/");
            }
            response.Close();
        }
    }

    static int FreePort()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        return port;
    }
}
