// Tests that nothing that is printed shows a secret.

using System;
using BankHub;

static class SecretTests
{
    public static void HidesValueOfToken()
    {
        using (var mockServer = new MockServer())
        using (var cache = new TokenCache(mockServer.Options))
        {
            var token = cache.GetToken();
            Expect.Lacks(token.Value, token.ToString());
            Expect.Equal(
                $"Token {{ Generation = {token.Generation}, ExpiresAt = {token.ExpiresAt:yyyy-MM-dd HH:mm:ss}Z }}",
                token.ToString());
            Expect.Lacks(token.Value, cache.ToString());
            Expect.Lacks(token.Value, cache.Stats().ToString());
        }
    }

    public static void HidesSecretOfOptions()
    {
        Expect.Lacks(MockServer.Secret, new TokenCacheOptions { ClientSecret = MockServer.Secret }.ToString());
    }

    public static void HidesSecretInException()
    {
        foreach (var end in new[] { "\0", "\ud800", "\n" })
        {
            var options = new TokenCacheOptions { ClientId = "id", ClientSecret = MockServer.Secret + end };
            var error = Expect.Fails(BankHubStatus.InvalidArgument, () => new TokenCache(options));
            Expect.Contains("client_secret", error.Message);
            Expect.Lacks(MockServer.Secret, error.ToString());
        }
    }
}
