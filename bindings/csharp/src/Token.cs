// The access token, which hides its value when it is printed or serialized.

using System;
using System.Diagnostics;
using System.Runtime.InteropServices;
using static BankHub.Abi;

namespace BankHub
{
    /// <summary>One access token. It hides its value when it is printed or serialized.</summary>
    public sealed class Token
    {
        private static readonly int GenerationOffset = Offset(nameof(bankhub_access_token.generation));
        private static readonly int ExpiresAtOffset = Offset(nameof(bankhub_access_token.expires_at));
        private static readonly int LengthOffset = Offset(nameof(bankhub_access_token.length));
        private static readonly int ValueOffset = Offset(nameof(bankhub_access_token.value));

        /// <summary>
        /// The text to send after "Authorization: Bearer ": 1 to 4,095 characters of visible ASCII (0x21 to 0x7E). It
        /// is a secret.
        /// </summary>
        /// <remarks>
        /// It is a field that is not serialized, because serializers read every public property: System.Text.Json skips
        /// fields, unless told otherwise, and Newtonsoft.Json skips what is not serialized.
        /// </remarks>
        [NonSerialized]
        [DebuggerBrowsable(DebuggerBrowsableState.Never)]
        public readonly string Value;

        /// <summary>For a substitute of a cache in a test.</summary>
        public Token(string value, ulong generation, DateTimeOffset expiresAt)
        {
            Value = value;
            Generation = generation;
            ExpiresAt = expiresAt;
        }

        // Read field by field, because a marshalled struct would leave a copy of the value in an array. The value is
        // ASCII, which every "Ansi" encoding contains.
        internal Token(IntPtr native)
            : this(
                Marshal.PtrToStringAnsi(native + ValueOffset, (int)Marshal.ReadIntPtr(native, LengthOffset)),
                (ulong)Marshal.ReadInt64(native, GenerationOffset),
                DateTimeOffset.FromUnixTimeSeconds(Marshal.ReadInt64(native, ExpiresAtOffset)))
        {
        }

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
