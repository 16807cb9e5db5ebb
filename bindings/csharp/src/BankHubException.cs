// The exception of this package.

using System;
using System.Text;

namespace BankHub
{
    /// <summary>Why a call failed. The message is one sentence for an operator, without any secret.</summary>
    public sealed class BankHubException : Exception
    {
        /// <summary>For a substitute of a cache in a test.</summary>
        public BankHubException(
            BankHubStatus status, string message, int? httpStatus = null, TimeSpan? retryAfter = null) : base(message)
        {
            Status = status;
            HttpStatus = httpStatus;
            RetryAfter = retryAfter;
        }

        internal BankHubException(BankHubException other)
            : this(other.Status, other.Message, other.HttpStatus, other.RetryAfter)
        {
        }

        internal BankHubException(in Abi.bankhub_error native)
            : this((BankHubStatus)native.status, Text(native.message))
        {
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
