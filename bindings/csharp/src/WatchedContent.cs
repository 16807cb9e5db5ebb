// Tells whether the content of a request can be sent again, which no type of .NET says of itself.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;

namespace BankHub
{
    /// <summary>Sends a content, and counts its bytes.</summary>
    /// <remarks>
    /// A content of any type may write itself again, refuse to, or have nothing left. So it is written once more, to
    /// nowhere. A content that does not write as many bytes as before is not sent again: it would be another request.
    /// </remarks>
    internal sealed class WatchedContent : HttpContent
    {
        private readonly HttpContent content;
        private bool isStarted;
        private long? length; // of what was sent; null: it was not sent to its end

        private WatchedContent(HttpContent content)
        {
            this.content = content;
            foreach (var header in content.Headers)
                Headers.TryAddWithoutValidation(header.Key, header.Value);
        }

        /// <summary>The content itself if its type tells whether it can be sent again.</summary>
        public static HttpContent Watch(HttpContent content) =>
            content == null || content is ByteArrayContent || content is StreamContent
                ? content : new WatchedContent(content);

        public static Task<bool> CanBeSentAgain(HttpContent content, CancellationToken cancellationToken) =>
            content is WatchedContent watched ? watched.WritesAgain(cancellationToken) : CanSeek(content);

        private async Task<bool> WritesAgain(CancellationToken cancellationToken)
        {
            if (!isStarted || length == null)
                return !isStarted && await CanSeek(content).ConfigureAwait(false);
            var counting = new CountingStream(Stream.Null);
            try
            {
                var copied = content.CopyToAsync(counting);
                await Task.WhenAny(copied, Task.Delay(Timeout.Infinite, cancellationToken)).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                await copied.ConfigureAwait(false);
            }
            catch (Exception) when (!cancellationToken.IsCancellationRequested) { return false; } // of any type
            return length == counting.Count;
        }

        // Whether the streams can be read again. Those of a content that is buffered can.
        private static async Task<bool> CanSeek(HttpContent content)
        {
            if (content is StreamContent)
                return (await content.ReadAsStreamAsync().ConfigureAwait(false)).CanSeek;
            var parts = content as IEnumerable<HttpContent> ?? Enumerable.Empty<HttpContent>();
            return (await Task.WhenAll(parts.Select(CanSeek)).ConfigureAwait(false)).All(canSeek => canSeek);
        }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext context)
        {
            isStarted = true;
            var counting = new CountingStream(stream);
            await content.CopyToAsync(counting, context).ConfigureAwait(false);
            length = counting.Count;
        }

        protected override bool TryComputeLength(out long length)
        {
            var known = content.Headers.ContentLength;
            length = known ?? 0;
            return known != null;
        }

        private sealed class CountingStream : Stream
        {
            private readonly Stream target;

            public CountingStream(Stream target) => this.target = target;

            public long Count { get; private set; }

            public override bool CanRead => false;
            public override bool CanSeek => false;
            public override bool CanWrite => true;
            public override long Length => throw new NotSupportedException();
            public override long Position { get => Count; set => throw new NotSupportedException(); }
            public override void Flush() => target.Flush();
            public override Task FlushAsync(CancellationToken cancelled) => target.FlushAsync(cancelled);
            public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
            public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
            public override void SetLength(long value) => throw new NotSupportedException();

            public override void Write(byte[] buffer, int offset, int count)
            {
                Count += count;
                target.Write(buffer, offset, count);
            }

            public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancelled)
            {
                Count += count;
                return target.WriteAsync(buffer, offset, count, cancelled);
            }
        }
    }
}
