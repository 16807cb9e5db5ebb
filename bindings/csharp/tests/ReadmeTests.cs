// Compiles and runs the programs of the README as a reader would.

using System;
using System.IO;
using System.Text.RegularExpressions;

static class ReadmeTests
{
    static readonly string Here = AppContext.BaseDirectory;

    static readonly string Readme = File.ReadAllText(Path.Combine(Here, "../bindings/csharp/README.md"));

    // What it needs is not on every machine. In this order, the log of the factory has no token.
    public static void AddsTokenAfterLogOfFactory()
    {
        var example = Regex.Match(Readme, @"```cs\n(.*?)```", RegexOptions.Singleline).Groups[1].Value;
        Expect.Contains(".ConfigurePrimaryHttpMessageHandler(provider => new BankHubHandler(", example);
        Expect.Lacks("AddHttpMessageHandler", example);
        Expect.Contains("`.RedactLoggedHeaders(new[] { \"Authorization\" })`", Readme);
    }

    public static void CompilesAndRunsPrograms()
    {
        var programs = Regex.Matches(Readme, @"```csharp\n(.*?)```", RegexOptions.Singleline);
        Expect.Equal(2, programs.Count);
        foreach (Match program in programs)
            CompileAndRun(program.Groups[1].Value);
    }

    static void CompileAndRun(string text)
    {
        var source = Path.Combine(Here, "readme-csharp.cs");
        var program = Path.ChangeExtension(source, ".exe");
        File.WriteAllText(source, text);
        using (var mockServer = new MockServer())
        {
            var references = $"-r:System.Net.Http -r:{Here}/BankHub.dll";
            Child.Run("mcs", $"-warnaserror+ {references} -out:{program} {source}", mockServer.Environment);
            Expect.Equal("OK\n", Child.Run("mono", program, mockServer.Environment));
        }
    }
}
