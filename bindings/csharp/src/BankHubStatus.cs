// The kinds of failure, with the numbers of bankhub.h.

namespace BankHub
{
    /// <summary>The kind of a <see cref="BankHubException"/>. Each needs a different reaction of the caller.</summary>
    public enum BankHubStatus
    {
        /// <summary>An argument is wrong; the message names it. The same call fails again.</summary>
        InvalidArgument = Abi.BANKHUB_INVALID_ARGUMENT,

        /// <summary>The server refuses the client id or secret, or the client is disabled.</summary>
        Unauthenticated = Abi.BANKHUB_UNAUTHENTICATED,

        /// <summary>The server received too many requests. RetryAfter says when the next one may be sent.</summary>
        RateLimited = Abi.BANKHUB_RATE_LIMITED,

        /// <summary>The server could not be reached, or it failed. Try again later.</summary>
        Unavailable = Abi.BANKHUB_UNAVAILABLE,

        /// <summary>The server sent a response that the API does not document.</summary>
        BadResponse = Abi.BANKHUB_BAD_RESPONSE,

        /// <summary>The timeout of the call passed first. The message names the last failure.</summary>
        DeadlineExceeded = Abi.BANKHUB_DEADLINE,

        /// <summary>The cache was disposed.</summary>
        Closed = Abi.BANKHUB_CLOSED,

        /// <summary>A defect of the library, or a thread that could not start.</summary>
        Internal = Abi.BANKHUB_INTERNAL,
    }
}
