// Tests which library is loaded, and what the error says if none fits. Each test starts a process.

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

    public static void NamesMissingFile()
    {
        InFolder(folder =>
        {
            var absent = Path.Combine(folder, SoName);
            var message = Load(Program, library: absent);
            Expect.Contains($"{absent} (named by BANKHUB_LIBRARY): {absent}: cannot open shared object file", message);
            Expect.Lacks("the assembly", message);
        });
    }

    public static void ListsSearchedPlaces()
    {
        InFolder(folder =>
        {
            var message = Load(CopyOfProgram(folder));
            Expect.Contains("(Unix on X64 with glibc 2.", message.Replace("Arm64", "X64"));
            Expect.Contains($"{folder}/{SoName} (in the folder of the assembly): ", message);
            Expect.Contains($"{SoName} (found by the system's loader): ", message);
        });
    }

    public static void RefusesTextFile()
    {
        InFolder(folder =>
        {
            var text = Path.Combine(folder, SoName);
            File.WriteAllText(text, new string('x', 1000));
            var message = Load(Program, library: text);
            Expect.Contains($"{text} (named by BANKHUB_LIBRARY): {text}: invalid ELF header", message);
        });
    }

    public static void RefusesOtherLibrary()
    {
        InFolder(folder =>
        {
            var other = Compile(folder, "int other(void) { return 0; }");
            Expect.Contains($"{other} (named by BANKHUB_LIBRARY) is not libbankhub", Load(Program, library: other));
        });
    }

    public static void RefusesWrongAbi()
    {
        const string fault = "libbankhub does not fit: ";
        const string needs =
            "this assembly needs 0.1 or a later 0.x; install libbankhub, or set BANKHUB_LIBRARY to its file";
        InFolder(folder =>
        {
            var older = Fake(folder, Fitting - 1);
            var named = $"{fault}{older} (named by BANKHUB_LIBRARY) has ABI 0.0, {needs}";
            Expect.Equal(named, Load(Program, library: older));
            var found = $"{fault}{older} (found by the system's loader) has ABI 0.0, {needs}";
            Expect.Equal(found, Load(Program, folder: folder));
            var newer = Fake(folder, Fitting + (1 << 16));
            named = $"{fault}{newer} (named by BANKHUB_LIBRARY) has ABI 1.1, {needs}";
            Expect.Equal(named, Load(Program, library: newer));
        });
    }

    public static void AcceptsLaterMinorVersion()
    {
        InFolder(folder => Load(Program, library: Fake(folder, Fitting + 1), fits: true));
    }

    public static void PrefersFileInFolderOfAssembly()
    {
        InFolder(system => InFolder(folder =>
        {
            Fake(system, Fitting);
            var own = Fake(folder, Fitting - 1);
            var message = Load(CopyOfProgram(folder), folder: system);
            Expect.Contains($"{own} (in the folder of the assembly) has ABI 0.0", message);
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

    // A library that has all functions, but only its version is correct.
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

    // The error of a program that loads the library. The system's loader searches `folder` first.
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
