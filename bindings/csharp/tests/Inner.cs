// An inner handler that a test writes.

using System;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;

sealed class Inner : HttpMessageHandler
{
    readonly Func<HttpRequestMessage, HttpResponseMessage> respond;

    public Inner(Func<HttpRequestMessage, HttpResponseMessage> respond)
    {
        this.respond = respond;
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken _)
    {
        return Task.Run(() => respond(request));
    }
}
