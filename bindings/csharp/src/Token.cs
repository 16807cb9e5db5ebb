// The access token, which hides its value when it is printed.

using System;
using System.Runtime.InteropServices;
using static BankHub.Abi;

namespace BankHub
{
    /// <summary>One access token. It hides its value when it is printed.</summary>
    public sealed class Token
    {
        private static readonly int GenerationOffset = Offset(nameof(bankhub_access_token.generation));
        private static readonly int ExpiresAtOffset = Offset(nameof(bankhub_access_token.expires_at));
        private static readonly int LengthOffset = Offset(nameof(bankhub_access_token.length));
        private static readonly int ValueOffset = Offset(nameof(bankhub_access_token.value));

        // Read field by field, because a marshalled struct would leave a copy of the value in an array.
        internal Token(IntPtr native)
        {
            // The value is ASCII, which every "Ansi" encoding contains.
            Value = Marshal.PtrToStringAnsi(native + ValueOffset, (int)Marshal.ReadIntPtr(native, LengthOffset));
            Generation = (ulong)Marshal.ReadInt64(native, GenerationOffset);
            ExpiresAt = DateTimeOffset.FromUnixTimeSeconds(Marshal.ReadInt64(native, ExpiresAtOffset));
        }

        /// <summary>
        /// The text to send after "Authorization: Bearer ": 1 to 4,095 characters of visible ASCII (0x21 to 0x7E). It
        /// is a secret.
        /// </summary>
        public string Value { get; }

        /// <summary>Never 0; grows with every new token of its cache.</summary>
        public ulong Generation { get; }

        /// <summary>When the token request was sent, plus the ttl; in UTC.</summary>
        public DateTimeOffset ExpiresAt { get; }

        /// <summary>Everything but the value.</summary>
        public override string ToString()
        {
            return $"Token {{ Generation = {Generation}, ExpiresAt = {ExpiresAt:u} }}";
        }

        private static int Offset(string field)
        {
            return (int)Marshal.OffsetOf<bankhub_access_token>(field);
        }
    }
}
