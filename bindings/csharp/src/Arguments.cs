// C# values as arguments of one call of C. Only what C could not carry is refused here; the library judges the rest.

using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

namespace BankHub
{
    /// <summary>Lends texts to C until it is disposed of, which wipes the copies.</summary>
    internal sealed class Arguments : IDisposable
    {
        /// <summary>More than any timeout is meant to be, and still what every clock of .NET can count.</summary>
        private static readonly TimeSpan TimeoutMax = TimeSpan.FromMilliseconds(int.MaxValue);

        private static readonly Encoding Utf8 = new UTF8Encoding(false, throwOnInvalidBytes: true);

        private readonly List<GCHandle> lent = new List<GCHandle>();

        /// <summary>A pointer to UTF-8 closed by NUL; NULL for null.</summary>
        public IntPtr Text(string name, string value)
        {
            if (value == null)
                return IntPtr.Zero;
            if (value.IndexOf('\0') >= 0)
                throw Invalid(name + " contains a NUL character");
            var bytes = new byte[Utf8.GetMaxByteCount(value.Length) + 1];
            var pinned = GCHandle.Alloc(bytes, GCHandleType.Pinned);
            lent.Add(pinned);
            try
            {
                Utf8.GetBytes(value, 0, value.Length, bytes, 0);
            }
            catch (EncoderFallbackException)
            {
                throw Invalid(name + " contains half of a surrogate pair");
            }
            return pinned.AddrOfPinnedObject();
        }

        /// <summary>A field of bankhub_config, where 0 is what null is here.</summary>
        public static uint Duration(string name, TimeSpan? value, TimeSpan unit)
        {
            if (value == null)
                return 0;
            if (value <= TimeSpan.Zero || value > TimeoutMax)
                throw Invalid($"{name} is {value}; expected more than 0 and at most {TimeoutMax}");
            return Count(value.Value, unit);
        }

        /// <summary>How long a call may wait.</summary>
        public static TimeSpan Timeout(TimeSpan value)
        {
            if (value < TimeSpan.Zero || value > TimeoutMax)
                throw Invalid($"timeout is {value}; expected 0 to {TimeoutMax}");
            return value;
        }

        /// <summary>Rounded up, so that only nothing becomes 0.</summary>
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
            foreach (var pinned in lent)
            {
                var bytes = (byte[])pinned.Target;
                Array.Clear(bytes, 0, bytes.Length);
                pinned.Free();
            }
            lent.Clear();
        }
    }
}
