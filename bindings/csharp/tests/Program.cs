// Runs every public static method of every class whose name ends in Tests, and counts the results.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Xml;
using BankHub;

static class Program
{
    const string ReportOption = "--junitxml=";

    static int Main(string[] words)
    {
        if (words.Contains("make-cache"))
            return MakeCache();
        var tests = typeof(Program).Assembly.GetTypes()
            .Where(type => type.Name.EndsWith("Tests"))
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly))
            .ToArray();
        var passed = tests.ToDictionary(test => test, Passes);
        foreach (var word in words.Where(word => word.StartsWith(ReportOption)))
            WriteReport(word.Substring(ReportOption.Length), passed);
        var failed = passed.Values.Count(good => !good);
        Console.WriteLine($"{tests.Length - failed} passed, {failed} failed");
        return failed == 0 ? 0 : 1;
    }

    // JUnit XML, for `make test`.
    static void WriteReport(string file, Dictionary<MethodInfo, bool> passed)
    {
        using (var report = XmlWriter.Create(file))
        {
            report.WriteStartElement("testsuite");
            foreach (var test in passed)
            {
                report.WriteStartElement("testcase");
                report.WriteAttributeString("classname", test.Key.DeclaringType.Name);
                report.WriteAttributeString("name", test.Key.Name);
                if (!test.Value)
                    report.WriteElementString("failure", "");
                report.WriteEndElement();
            }
            report.WriteEndElement();
        }
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
