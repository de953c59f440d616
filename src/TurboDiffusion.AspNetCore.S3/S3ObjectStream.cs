using System.Net;
using Amazon.S3;
using Amazon.S3.Model;

namespace TurboDiffusion.AspNetCore.S3;

/// <summary>
/// An object, read from where it is wanted: what is read is asked for from there to the end, as one answer that is read piece by piece, and
/// given up when somebody seeks.
/// </summary>
internal sealed class S3ObjectStream(IAmazonS3 client, string bucket, string key, string etag, long length) : Stream
{
    private GetObjectResponse? _answer;
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position
    {
        get => _position;
        set => Seek(value, SeekOrigin.Begin);
    }

    /// <inheritdoc/>
    /// <exception cref="IOException">The store does not give it, or the object is another one by now.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty || _position >= length)
            return 0;

        try
        {
            _answer ??= await client.GetObjectAsync(
                new GetObjectRequest
                {
                    BucketName = bucket,
                    Key = key,
                    EtagToMatch = etag,
                    ByteRange = new ByteRange(_position, length - 1),
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (AmazonS3Exception exception) when (exception.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.PreconditionFailed)
        {
            throw new IOException($"The object {key} of the bucket {bucket} was deleted while it was read.", exception);
        }

        var read = await _answer.ResponseStream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        _position += read;
        return read > 0 ? read
            : throw new EndOfStreamException($"The object {key} of the bucket {bucket} ended after {_position} of {length} bytes.");
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin)
    {
        var target = offset + origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => _position,
            _ => length,
        };
        ArgumentOutOfRangeException.ThrowIfNegative(target, nameof(offset));
        if (target != _position)
        {
            _answer?.Dispose();
            (_answer, _position) = (null, target);
        }

        return _position;
    }

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _answer?.Dispose();

        base.Dispose(disposing);
    }
}
