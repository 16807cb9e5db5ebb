// The exception of this package.

using System;
using System.Text;

namespace BankHub
{
    /// <summary>Why a call failed. The message is one sentence for an operator, without any secret.</summary>
    public sealed class BankHubException : Exception
    {
        internal BankHubException(BankHubStatus status, string message) : base(message)
        {
            Status = status;
        }

        internal BankHubException(in Abi.bankhub_error native) : base(Text(native.message))
        {
            Status = (BankHubStatus)native.status;
            if (native.http_status != 0)
                HttpStatus = native.http_status;
            if (native.retry_after_ms != 0)
                RetryAfter = TimeSpan.FromMilliseconds(native.retry_after_ms);
        }

        /// <summary>The kind of failure; it tells whether a retry can help.</summary>
        public BankHubStatus Status { get; }

        /// <summary>The HTTP status of the response that caused the failure; null if there was none.</summary>
        public int? HttpStatus { get; }

        /// <summary>The time until the next token request may be sent. Null: no known wait; see Status.</summary>
        public TimeSpan? RetryAfter { get; }

        private static string Text(byte[] message)
        {
            return Encoding.UTF8.GetString(message, 0, Array.IndexOf(message, (byte)0));
        }
    }
}
