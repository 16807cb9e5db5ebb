// Runs every public static method of every class whose name ends in Tests, and counts the results.

using System;
using System.Linq;
using System.Reflection;
using BankHub;

static class Program
{
    static int Main(string[] words)
    {
        if (words.Length > 0)
            return MakeCache();
        var tests = typeof(Program).Assembly.GetTypes()
            .Where(type => type.Name.EndsWith("Tests"))
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly))
            .ToArray();
        var failed = tests.Count(test => !Passes(test));
        Console.WriteLine($"{tests.Length - failed} passed, {failed} failed");
        return failed == 0 ? 0 : 1;
    }

    // What Child.MakeCache runs in another process.
    static int MakeCache()
    {
        try
        {
            TokenCache.FromEnvironment().Dispose();
            return 0;
        }
        catch (DllNotFoundException e)
        {
            Console.WriteLine(e.Message);
            return 1;
        }
    }

    static bool Passes(MethodInfo test)
    {
        try
        {
            test.Invoke(null, null);
            return true;
        }
        catch (TargetInvocationException e)
        {
            Console.WriteLine($"FAILED {test.DeclaringType.Name}.{test.Name}: {e.InnerException}");
            return false;
        }
    }
}
