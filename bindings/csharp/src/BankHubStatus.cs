// The kinds of failure.

namespace BankHub
{
    /// <summary>The kind of a <see cref="BankHubException"/>. Each asks something else of the caller.</summary>
    public enum BankHubStatus
    {
        /// <summary>An argument is wrong, and the message names it. The same call fails again.</summary>
        InvalidArgument = Abi.BANKHUB_INVALID_ARGUMENT,

        /// <summary>The client id or secret is refused or disabled.</summary>
        Unauthenticated = Abi.BANKHUB_UNAUTHENTICATED,

        /// <summary>Too many requests. RetryAfter says when the next one may go out.</summary>
        RateLimited = Abi.BANKHUB_RATE_LIMITED,

        /// <summary>The server was not reached, or could not answer. Try later.</summary>
        Unavailable = Abi.BANKHUB_UNAVAILABLE,

        /// <summary>An answer that the API does not promise.</summary>
        BadResponse = Abi.BANKHUB_BAD_RESPONSE,

        /// <summary>The caller's own timeout passed first. The message names the last failure.</summary>
        DeadlineExceeded = Abi.BANKHUB_DEADLINE,

        /// <summary>The cache was disposed of.</summary>
        Closed = Abi.BANKHUB_CLOSED,

        /// <summary>A defect of the library, or a thread that could not start.</summary>
        Internal = Abi.BANKHUB_INTERNAL,
    }
}
