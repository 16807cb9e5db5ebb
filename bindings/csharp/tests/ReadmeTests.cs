// The README's program, compiled and run as a reader would.

using System;
using System.IO;
using System.Text.RegularExpressions;

static class ReadmeTests
{
    static readonly string Here = AppContext.BaseDirectory;

    public static void TheProgramWorks()
    {
        var readme = File.ReadAllText(Path.Combine(Here, "../bindings/csharp/README.md"));
        var source = Path.Combine(Here, "readme-csharp.cs");
        var program = Path.ChangeExtension(source, ".exe");
        File.WriteAllText(source, Regex.Match(readme, @"```csharp\n(.*?)```", RegexOptions.Singleline).Groups[1].Value);
        using (var sandbox = new Sandbox())
        {
            var references = $"-r:System.Net.Http -r:{Here}/BankHub.dll";
            Child.Run("mcs", $"-warnaserror+ {references} -out:{program} {source}", sandbox.Environment);
            Expect.Equal("OK\n", Child.Run("mono", program, sandbox.Environment));
        }
    }
}
