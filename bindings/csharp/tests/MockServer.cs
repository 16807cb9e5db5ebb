// Starts bankhub-mock-server, which stands in for the Bank Hub API, and ends it with Dispose.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using BankHub;

sealed class MockServer : IDisposable
{
    public const string Id = "mock-id";
    public const string Secret = "mock-secret";

    static readonly string File = Path.Combine(AppContext.BaseDirectory, "../target/release/bankhub-mock-server");

    public readonly string Url;

    readonly Process process;

    public MockServer(int latencyMilliseconds = 0)
    {
        process = Process.Start(new ProcessStartInfo(File, "--until-eof --latency-ms " + latencyMilliseconds)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        });
        Url = process.StandardOutput.ReadLine();
    }

    public TokenCacheOptions Options => new TokenCacheOptions
    {
        ClientId = Id,
        ClientSecret = Secret,
        BaseUrl = Url,
    };

    public Dictionary<string, string> Environment => new Dictionary<string, string>
    {
        ["BANKHUB_CLIENT_ID"] = Id,
        ["BANKHUB_CLIENT_SECRET"] = Secret,
        ["BANKHUB_BASE_URL"] = Url,
    };

    public void Dispose()
    {
        process.StandardInput.Close();
        process.WaitForExit();
        process.Dispose();
    }
}
