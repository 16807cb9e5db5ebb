// Finds libbankhub, loads it and declares its functions.

using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using static BankHub.Abi;

namespace BankHub
{
    /// <summary>libbankhub, which is loaded at its first use and stays loaded until the program ends.</summary>
    /// <remarks>
    /// It does not use DllImport: Mono does not find a library that is already loaded by its name, and both runtimes
    /// search the folder of the assembly first, so that BANKHUB_LIBRARY would have no effect.
    /// </remarks>
    internal sealed class Library
    {
        /// <exception cref="DllNotFoundException">No libbankhub fits.</exception>
        public static Library Loaded => Loading.Value;

        public readonly bankhub_status_name StatusName;
        public readonly bankhub_access_token_wipe AccessTokenWipe;
        public readonly bankhub_token_new TokenNew;
        public readonly bankhub_token_get TokenGet;
        public readonly bankhub_token_generation TokenGeneration;
        public readonly bankhub_token_invalidate TokenInvalidate;
        public readonly bankhub_token_stats TokenStats;
        public readonly bankhub_token_free TokenFree;

        private const int RTLD_NOW = 2;

        private const string Advice = "install libbankhub, or set BANKHUB_LIBRARY to its file";

        private static readonly string SoName = "libbankhub.so." + BANKHUB_ABI_MAJOR;

        // A static constructor would wrap the exception.
        private static readonly Lazy<Library> Loading = new Lazy<Library>(Load);

        private readonly IntPtr library;
        private readonly string file;
        private readonly string where;

        private Library(IntPtr library, string file, string where)
        {
            this.library = library;
            this.file = file;
            this.where = where;
            CheckVersion();
            StatusName = Function<bankhub_status_name>();
            AccessTokenWipe = Function<bankhub_access_token_wipe>();
            TokenNew = Function<bankhub_token_new>();
            TokenGet = Function<bankhub_token_get>();
            TokenGeneration = Function<bankhub_token_generation>();
            TokenInvalidate = Function<bankhub_token_invalidate>();
            TokenStats = Function<bankhub_token_stats>();
            TokenFree = Function<bankhub_token_free>();
        }

        private static Library Load()
        {
            var problems = new List<string>();
            foreach (var place in Places())
            {
                dlerror(); // resolved here, because resolving it after dlopen would lose the error
                var library = dlopen(Encoding.UTF8.GetBytes(place.File + "\0"), RTLD_NOW);
                if (library != IntPtr.Zero)
                    return new Library(library, place.File, place.Where);
                problems.Add($"{place.File} ({place.Where}): {Marshal.PtrToStringAnsi(dlerror())}");
            }
            var tried = string.Join("; ", problems);
            throw new DllNotFoundException($"libbankhub could not be loaded ({Here()}): {tried}; {Advice}");
        }

        private static string Here()
        {
            var libc = "another libc";
            try { libc = "glibc " + Marshal.PtrToStringAnsi(gnu_get_libc_version()); }
            catch (Exception e) when (e is DllNotFoundException || e is EntryPointNotFoundException) { }
            return $"{Environment.OSVersion.Platform} on {RuntimeInformation.ProcessArchitecture} with {libc}";
        }

        private static IEnumerable<(string File, string Where)> Places()
        {
            var named = Environment.GetEnvironmentVariable("BANKHUB_LIBRARY");
            if (!string.IsNullOrEmpty(named))
            {
                yield return (named, "named by BANKHUB_LIBRARY");
                yield break;
            }
            var assembly = typeof(Library).Assembly.Location;
            if (assembly != "") // empty in a single-file program
            {
                var folder = Path.GetDirectoryName(assembly);
                var machine = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
                yield return (Path.Combine(folder, SoName), "in the folder of the assembly");
                yield return (Path.Combine(folder, "runtimes", "linux-" + machine, "native", SoName), "in the package");
            }
            yield return (SoName, "found by the system's loader");
        }

        private void CheckVersion()
        {
            var version = Function<bankhub_abi_version>()();
            uint major = version >> 16, minor = version & 0xffff;
            if (major == BANKHUB_ABI_MAJOR && minor >= BANKHUB_ABI_MINOR)
                return;
            // dladdr finds the file if only a name was passed to dlopen.
            dladdr(Symbol(nameof(bankhub_abi_version)), out var found);
            throw new DllNotFoundException("libbankhub does not fit: "
                + $"{Marshal.PtrToStringAnsi(found.dli_fname)} ({where}) has ABI {major}.{minor}, this assembly needs "
                + $"{BANKHUB_ABI_MAJOR}.{BANKHUB_ABI_MINOR} or a later {BANKHUB_ABI_MAJOR}.x; {Advice}");
        }

        // A delegate has the name of its function.
        private T Function<T>()
        {
            return Marshal.GetDelegateForFunctionPointer<T>(Symbol(typeof(T).Name));
        }

        private IntPtr Symbol(string name)
        {
            var symbol = dlsym(library, name);
            if (symbol == IntPtr.Zero)
                throw new DllNotFoundException($"{file} ({where}) is not libbankhub, it lacks {name}; {Advice}");
            return symbol;
        }

        [StructLayout(LayoutKind.Sequential)]
        private struct Dl_info
        {
            public IntPtr dli_fname;
            public IntPtr dli_fbase;
            public IntPtr dli_sname;
            public IntPtr dli_saddr;
        }

        [DllImport("libc.so.6")]
        private static extern IntPtr gnu_get_libc_version();

        [DllImport("libdl.so.2")]
        private static extern int dladdr(IntPtr address, out Dl_info info);

        [DllImport("libdl.so.2")]
        private static extern IntPtr dlopen(byte[] file, int flags);

        [DllImport("libdl.so.2")]
        private static extern IntPtr dlsym(IntPtr library, string symbol);

        [DllImport("libdl.so.2")]
        private static extern IntPtr dlerror();
    }
}
