// Tests that nothing that is printed or serialized shows a secret.

using System;
using System.ComponentModel;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Xml.Serialization;
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

    // As System.Text.Json sees an object, by its public properties, and Newtonsoft.Json, by its public fields also.
    public static void HidesSecretFromSerializers()
    {
        var token = new Token(MockServer.Secret, 1, DateTimeOffset.UtcNow);
        Expect.Contains("Generation", Serialized(token));
        Expect.Lacks(MockServer.Secret, Serialized(token));
        var options = new TokenCacheOptions
        {
            ClientId = "the id",
            ClientSecret = MockServer.Secret,
            Proxy = $"http://user:{MockServer.Secret}@proxy.test",
            Store = $"redis://:{MockServer.Secret}@redis.test",
        };
        Expect.Contains("the id", Serialized(options));
        Expect.Lacks(MockServer.Secret, Serialized(options));
        Expect.Equal(MockServer.Secret, (string)options.ClientSecret);
    }

    static string Serialized(object value)
    {
        if (value == null || value is string || value.GetType().IsPrimitive)
            return value + ",";
        if (value is DateTimeOffset || value is TimeSpan || value is Uri)
            return value + ",";
        const BindingFlags members = BindingFlags.Public | BindingFlags.Instance;
        var properties = value.GetType().GetProperties(members).Where(property => property.CanRead)
            .Select(property => property.Name + ":" + Serialized(property.GetValue(value)));
        var fields = value.GetType().GetFields(members).Where(field => !field.IsNotSerialized)
            .Select(field => field.Name + ":" + Serialized(field.GetValue(value)));
        return "{" + string.Concat(properties.Concat(fields)) + value + "}";
    }

    // It throws where a type has no constructor without parameters.
    public static void HidesSecretFromXml()
    {
        var options = new TokenCacheOptions { ClientSecret = MockServer.Secret };
        foreach (var value in new object[] { options, new Token(MockServer.Secret, 1, DateTimeOffset.UtcNow) })
        {
            var written = new StringWriter();
            try { new XmlSerializer(value.GetType()).Serialize(written, value); }
            catch (InvalidOperationException e) { written.Write(e); }
            Expect.Lacks(MockServer.Secret, written.ToString());
        }
    }

    // As a debugger shows an object, before it is expanded.
    public static void HidesSecretFromDebugger()
    {
        foreach (var secret in new MemberInfo[]
        {
            typeof(Token).GetField("Value"),
            typeof(SecretText).GetField("text", BindingFlags.NonPublic | BindingFlags.Instance),
        })
            Expect.Equal(DebuggerBrowsableState.Never, secret.GetCustomAttribute<DebuggerBrowsableAttribute>().State);
    }

    // As the configuration of .NET reads appsettings.json.
    public static void ReadsSecretFromConfiguration()
    {
        var property = typeof(TokenCacheOptions).GetProperty("ClientSecret");
        var converter = TypeDescriptor.GetConverter(property.PropertyType);
        Expect.True(converter.CanConvertFrom(typeof(string)), "a string can be converted");
        var options = new TokenCacheOptions();
        property.SetValue(options, converter.ConvertFromInvariantString(MockServer.Secret));
        Expect.Equal(MockServer.Secret, (string)options.ClientSecret);
        Expect.Equal("***", converter.ConvertToInvariantString(options.ClientSecret));
        options.ClientSecret = null;
        Expect.Equal(null, (string)options.ClientSecret);
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
