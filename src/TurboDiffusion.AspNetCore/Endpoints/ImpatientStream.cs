using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace TurboDiffusion.AspNetCore.Endpoints;

/// <summary>
/// The body of an answer that ends the request where its client takes less than a rate. It is for streams of HTTP/2 and later: there the
/// server watches the connection alone, so that one that nobody reads would stay for ever beside others that are read.
/// </summary>
/// <param name="http">The request.</param>
/// <param name="slowest">The rate, and what is granted beside it for each write.</param>
internal sealed class ImpatientStream(HttpContext http, MinDataRate slowest) : Stream
{
    private readonly Stream _body = http.Response.Body;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        await InTimeAsync(buffer.Length, token => _body.WriteAsync(buffer, token), cancellationToken).ConfigureAwait(false);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async Task FlushAsync(CancellationToken cancellationToken) =>
        await InTimeAsync(0, token => new ValueTask(_body.FlushAsync(token)), cancellationToken).ConfigureAwait(false);

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush() => throw new NotSupportedException();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private async Task InTimeAsync(int bytes, Func<CancellationToken, ValueTask> send, CancellationToken cancellationToken)
    {
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        late.CancelAfter(slowest.GracePeriod + TimeSpan.FromSeconds(bytes / slowest.BytesPerSecond));
        try
        {
            await send(late.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            http.Abort();
            throw;
        }
    }
}
