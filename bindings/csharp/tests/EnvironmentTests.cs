// Tests caches that are made from the environment.

using System;
using System.Collections.Generic;
using BankHub;

static class EnvironmentTests
{
    public static void MakesCache()
    {
        using (var mockServer = new MockServer())
        {
            Within(mockServer.Environment, () =>
            {
                using (var cache = TokenCache.FromEnvironment())
                    Expect.Equal(40, cache.Get().Length);
            });
        }
    }

    // In a child, because .NET removes an empty variable from the environment of this process.
    public static void IgnoresEmptyVariable()
    {
        var environment = Credentials();
        foreach (var name in new[] { "BANKHUB_BASE_URL", "BANKHUB_CA_FILE", "BANKHUB_STORE" })
            environment[name] = "";
        Child.MakeCache(environment);
    }

    public static void ReadsEveryVariable()
    {
        var complaints = new Dictionary<string, string>
        {
            ["BANKHUB_CLIENT_ID"] = "client_id",
            ["BANKHUB_CLIENT_SECRET"] = "client_secret",
            ["BANKHUB_BASE_URL"] = "base_url",
            ["BANKHUB_CA_FILE"] = "ca_file",
            ["BANKHUB_STORE"] = "store",
        };
        foreach (var complaint in complaints)
        {
            var environment = Credentials();
            environment[complaint.Key] = "\n";
            Within(environment, () => Refused(complaint.Value));
        }
    }

    public static void RequiresCredentials()
    {
        foreach (var name in Credentials().Keys)
        {
            var environment = Credentials();
            environment[name] = null;
            Within(environment, () => Refused(name + " is not set in the environment"));
        }
    }

    static Dictionary<string, string> Credentials()
    {
        return new Dictionary<string, string> { ["BANKHUB_CLIENT_ID"] = "id", ["BANKHUB_CLIENT_SECRET"] = "secret" };
    }

    static void Refused(string complaint)
    {
        var error = Expect.Fails(BankHubStatus.InvalidArgument, () => TokenCache.FromEnvironment());
        Expect.Contains(complaint, error.Message);
    }

    static void Within(Dictionary<string, string> environment, Action test)
    {
        foreach (var variable in environment)
            Environment.SetEnvironmentVariable(variable.Key, variable.Value);
        try
        {
            test();
        }
        finally
        {
            foreach (var name in environment.Keys)
                Environment.SetEnvironmentVariable(name, null);
        }
    }
}
