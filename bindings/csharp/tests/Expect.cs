// The assertions of the tests. Each throws an exception that says what was found instead.

using System;
using System.Diagnostics;
using System.Threading;
using BankHub;

static class Expect
{
    const int SoonMilliseconds = 10000;

    public static void True(bool condition, string what)
    {
        if (!condition)
            throw new Exception("this is not true: " + what);
    }

    public static void Equal(object expected, object actual)
    {
        if (!Equals(expected, actual))
            throw new Exception($"got {actual}, expected {expected}");
    }

    public static void Contains(string part, string whole)
    {
        True(whole.Contains(part), $"'{whole}' contains '{part}'");
    }

    public static void Lacks(string part, string whole)
    {
        True(!whole.Contains(part), $"the text lacks '{part}'");
    }

    public static T Throws<T>(Action action) where T : Exception
    {
        try
        {
            action();
        }
        catch (T e)
        {
            return e;
        }
        throw new Exception($"expected a {typeof(T).Name}");
    }

    public static BankHubException Fails(BankHubStatus status, Action action)
    {
        var error = Throws<BankHubException>(action);
        Equal(status, error.Status);
        return error;
    }

    public static void Soon(Func<bool> condition, string what)
    {
        var waited = Stopwatch.StartNew();
        while (!condition())
        {
            True(waited.ElapsedMilliseconds < SoonMilliseconds, what);
            Thread.Sleep(1);
        }
    }

    public static void Within(int milliseconds, Action action)
    {
        var elapsed = Stopwatch.StartNew();
        action();
        var took = elapsed.ElapsedMilliseconds;
        True(took <= milliseconds, $"{took} ms are at most {milliseconds}");
    }
}
