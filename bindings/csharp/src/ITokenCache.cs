// What a program needs of a cache, so that its tests can replace it.

using System;
using System.Threading;
using System.Threading.Tasks;

namespace BankHub
{
    /// <summary>Keeps one valid token: a <see cref="TokenCache"/>, or a substitute in a test.</summary>
    /// <remarks>Any number of threads may call every member at once.</remarks>
    public interface ITokenCache
    {
        /// <summary>Only its origin (scheme, host and port) may receive the token.</summary>
        Uri BaseUrl { get; }

        /// <summary>Returns the text to send after "Authorization: Bearer ".</summary>
        /// <exception cref="BankHubException">There is no token.</exception>
        string Get();

        /// <summary><see cref="Get()"/> with a timeout of its own. Zero: it does not wait.</summary>
        string Get(TimeSpan timeout, CancellationToken cancellationToken = default);

        /// <summary><see cref="Get()"/> for callers that must not block.</summary>
        Task<string> GetAsync(CancellationToken cancellationToken = default);

        /// <summary>Like <see cref="Get()"/>, but also returns the generation and when it expires.</summary>
        Token GetToken();

        /// <summary><see cref="GetToken()"/> with a timeout of its own. Zero: it does not wait.</summary>
        Token GetToken(TimeSpan timeout, CancellationToken cancellationToken = default);

        /// <summary>Reports that an API answered 401 to a token. It is replaced if it is the current one.</summary>
        void Invalidate(string token);
    }
}
