// Runs a program until it ends.

using System.Collections.Generic;
using System.Diagnostics;

static class Child
{
    /// Runs this program, which makes a cache from the environment. Returns why no library could be loaded.
    public static string MakeCache(IDictionary<string, string> environment, bool fails = false, string program = null)
    {
        var runtime = Process.GetCurrentProcess().MainModule.FileName;
        var words = (program ?? typeof(Child).Assembly.Location) + " make-cache";
        return Run(runtime, words, environment, code: fails ? 1 : 0).TrimEnd('\n');
    }

    /// Returns what the program prints. The program must end with the exit code.
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
