// A program that runs to its end.

using System.Collections.Generic;
using System.Diagnostics;

static class Child
{
    /// Has this program make a cache from that environment. What it prints is the reason why there is no library.
    public static string MakeCache(IDictionary<string, string> environment, bool fails = false, string program = null)
    {
        var runtime = Process.GetCurrentProcess().MainModule.FileName;
        var words = (program ?? typeof(Child).Assembly.Location) + " make-cache";
        return Run(runtime, words, environment, code: fails ? 1 : 0).TrimEnd('\n');
    }

    /// What it prints. It must end with that code.
    public static string Run(
        string program, string words, IDictionary<string, string> environment, string input = "", int code = 0)
    {
        var start = new ProcessStartInfo(program, words)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        foreach (var variable in environment)
            start.EnvironmentVariables[variable.Key] = variable.Value;
        using (var process = Process.Start(start))
        {
            process.StandardInput.Write(input);
            process.StandardInput.Close();
            var printed = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Expect.Equal(code, process.ExitCode);
            return printed;
        }
    }
}
