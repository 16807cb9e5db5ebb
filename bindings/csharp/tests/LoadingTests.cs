// Which file is loaded, and what is said if none fits. Each in a process of its own.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using BankHub;

static class LoadingTests
{
    const string SoName = "libbankhub.so.0";
    const uint Fitting = 1;

    static readonly string Program = typeof(LoadingTests).Assembly.Location;

    public static void AFileThatIsAbsent()
    {
        InFolder(folder =>
        {
            var absent = Path.Combine(folder, SoName);
            var message = Load(Program, library: absent);
            Expect.Contains($"{absent} (named by BANKHUB_LIBRARY): {absent}: cannot open shared object file", message);
            Expect.Lacks("beside", message);
        });
    }

    public static void NoFileAtAll()
    {
        InFolder(folder =>
        {
            var message = Load(CopyOfProgram(folder));
            Expect.Contains("(Unix on X64 with glibc 2.", message.Replace("Arm64", "X64"));
            Expect.Contains($"{folder}/{SoName} (beside the assembly): ", message);
            Expect.Contains($"{SoName} (found by the system's loader): ", message);
        });
    }

    public static void AFileThatIsNoLibrary()
    {
        InFolder(folder =>
        {
            var text = Path.Combine(folder, SoName);
            File.WriteAllText(text, new string('x', 1000));
            var message = Load(Program, library: text);
            Expect.Contains($"{text} (named by BANKHUB_LIBRARY): {text}: invalid ELF header", message);
        });
    }

    public static void AnotherLibrary()
    {
        InFolder(folder =>
        {
            var other = Compile(folder, "int other(void) { return 0; }");
            Expect.Contains($"{other} (named by BANKHUB_LIBRARY) is not libbankhub", Load(Program, library: other));
        });
    }

    public static void LibrariesThatDoNotFit()
    {
        const string needs = "this assembly needs 0.1 or a later 0.x";
        InFolder(folder =>
        {
            var older = Fake(folder, Fitting - 1);
            Expect.Equal($"{older} (named by BANKHUB_LIBRARY) has ABI 0.0; {needs}", Load(Program, library: older));
            Expect.Equal($"{older} (found by the system's loader) has ABI 0.0; {needs}", Load(Program, folder: folder));
            var newer = Fake(folder, Fitting + (1 << 16));
            Expect.Equal($"{newer} (named by BANKHUB_LIBRARY) has ABI 1.1; {needs}", Load(Program, library: newer));
        });
    }

    public static void ALaterMinorVersionFits()
    {
        InFolder(folder => Load(Program, library: Fake(folder, Fitting + 1), fits: true));
    }

    public static void TheFileBesideTheAssemblyComesBeforeTheSystem()
    {
        InFolder(system => InFolder(folder =>
        {
            Fake(system, Fitting);
            var beside = Fake(folder, Fitting - 1);
            var message = Load(CopyOfProgram(folder), folder: system);
            Expect.Contains($"{beside} (beside the assembly) has ABI 0.0", message);
            Load(CopyOfProgram(folder), library: Path.Combine(system, SoName), fits: true);
        }));
    }

    static void InFolder(Action<string> test)
    {
        var folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        Directory.CreateDirectory(folder);
        try
        {
            test(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    static string CopyOfProgram(string folder)
    {
        foreach (var pattern in new[] { "BankHub.*", Path.GetFileNameWithoutExtension(Program) + ".*" })
            foreach (var file in Directory.GetFiles(Path.GetDirectoryName(Program), pattern))
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
        return Path.Combine(folder, Path.GetFileName(Program));
    }

    // All of the functions are there, but only the version is true.
    static string Fake(string folder, uint version)
    {
        var functions = typeof(TokenCache).Assembly.GetType("BankHub.Abi").GetNestedTypes()
            .Where(type => typeof(Delegate).IsAssignableFrom(type));
        return Compile(folder, string.Concat(functions.Select(function =>
            $"int {function.Name}(void) {{ return {(function.Name == "bankhub_abi_version" ? version : 0)}; }}\n")));
    }

    static string Compile(string folder, string source)
    {
        var library = Path.Combine(folder, SoName);
        Child.Run("cc", $"-shared -fPIC -xc -o {library} -", new Dictionary<string, string>(), source);
        return library;
    }

    // What the program says that tries to load it; `folder` is where the system's loader looks first.
    static string Load(string program, string library = "", string folder = "", bool fits = false)
    {
        var environment = new Dictionary<string, string>
        {
            ["BANKHUB_CLIENT_ID"] = "id",
            ["BANKHUB_CLIENT_SECRET"] = "secret",
            ["BANKHUB_LIBRARY"] = library,
            ["LD_LIBRARY_PATH"] = folder + ":" + Environment.GetEnvironmentVariable("LD_LIBRARY_PATH"),
        };
        return Child.MakeCache(environment, fails: !fits, program: program);
    }
}
