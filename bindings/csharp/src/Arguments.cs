// Converts C# values to arguments for C. It refuses only what C cannot represent; the library checks the rest.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;

namespace BankHub
{
    /// <summary>Holds the texts that C reads during one call. Dispose wipes them.</summary>
    internal sealed class Arguments : IDisposable
    {
        /// <summary>The longest timeout: every timer of .NET can measure it.</summary>
        private static readonly TimeSpan TimeoutMax = TimeSpan.FromMilliseconds(int.MaxValue);

        private static readonly Encoding Utf8 = new UTF8Encoding(false, throwOnInvalidBytes: true);

        private readonly List<GCHandle> pinnedTexts = new List<GCHandle>();

        /// <summary>A pointer to NUL-terminated UTF-8; NULL for null.</summary>
        public IntPtr Text(string name, string value)
        {
            if (value == null)
                return IntPtr.Zero;
            if (value.IndexOf('\0') >= 0)
                throw Invalid(name + " contains a NUL character; remove it");
            var bytes = new byte[Utf8.GetMaxByteCount(value.Length) + 1];
            var pinned = GCHandle.Alloc(bytes, GCHandleType.Pinned);
            pinnedTexts.Add(pinned);
            try
            {
                Utf8.GetBytes(value, 0, value.Length, bytes, 0);
            }
            catch (EncoderFallbackException)
            {
                throw Invalid(name + " contains half of a surrogate pair; remove it");
            }
            return pinned.AddrOfPinnedObject();
        }

        /// <summary>A field of bankhub_config, where 0 means the default.</summary>
        public static uint Duration(string name, TimeSpan? value, TimeSpan unit)
        {
            if (value == null)
                return 0;
            if (value == Timeout.InfiniteTimeSpan)
                return Count(TimeoutMax, unit);
            if (value <= TimeSpan.Zero || value > TimeoutMax)
                throw Invalid($"{name} is {value}; expected more than 0 and at most {TimeoutMax}, or infinite");
            return Count(value.Value, unit);
        }

        /// <summary>Checks how long a call may wait.</summary>
        public static void CheckTimeout(TimeSpan value)
        {
            if (value != Timeout.InfiniteTimeSpan && (value < TimeSpan.Zero || value > TimeoutMax))
                throw Invalid($"timeout is {value}; expected 0 to {TimeoutMax}, or infinite");
        }

        /// <summary>How much is left of a timeout.</summary>
        public static TimeSpan Left(TimeSpan timeout, Stopwatch waited)
        {
            return timeout == Timeout.InfiniteTimeSpan ? TimeoutMax : timeout - waited.Elapsed;
        }

        /// <summary>Counts the units in a value. It rounds up, so that only zero becomes 0.</summary>
        public static uint Count(TimeSpan value, TimeSpan unit)
        {
            return (uint)((value.Ticks + unit.Ticks - 1) / unit.Ticks);
        }

        public static BankHubException Invalid(string message)
        {
            return new BankHubException(BankHubStatus.InvalidArgument, message);
        }

        public void Dispose()
        {
            foreach (var pinned in pinnedTexts)
            {
                var bytes = (byte[])pinned.Target;
                Array.Clear(bytes, 0, bytes.Length);
                pinned.Free();
            }
            pinnedTexts.Clear();
        }
    }
}
