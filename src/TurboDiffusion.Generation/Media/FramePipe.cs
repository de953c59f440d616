using System.Buffers;
using System.Globalization;
using System.Threading.Channels;
using FFMpegCore.Pipes;
using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>
/// Frames on their way from the decoder to ffmpeg, as raw RGB. A few may wait; then the decoder waits, and memory stays
/// flat whatever the video's length.
/// </summary>
internal sealed class FramePipe(VideoFormat format) : IPipeSource
{
    private const int FramesWaiting = 8;

    private readonly int _frameBytes = checked(format.Width * format.Height * 3);
    private readonly Channel<byte[]> _frames = Channel.CreateBounded<byte[]>(
        new BoundedChannelOptions(FramesWaiting) { SingleReader = true, SingleWriter = true });

    /// <summary>Whether ffmpeg stopped reading before the last frame.</summary>
    public bool Broken { get; private set; }

    public string GetStreamArguments() => string.Create(CultureInfo.InvariantCulture,
        $"-f rawvideo -pix_fmt rgb24 -video_size {format.Width}x{format.Height} -framerate {format.FramesPerSecond}");

    /// <summary>Adds one frame, <c>[H, W, 3]</c> uint8 on the CPU, waiting for room.</summary>
    /// <exception cref="ChannelClosedException">Nobody reads any more.</exception>
    public void Push(torch.Tensor frame)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(_frameBytes);
        frame.bytes.CopyTo(buffer);
        if (!_frames.Writer.TryWrite(buffer)) _frames.Writer.WriteAsync(buffer).AsTask().GetAwaiter().GetResult();
    }

    /// <summary>Says that there are no more frames, or, with a cause, that nobody reads them.</summary>
    public void Close(Exception? cause = null) => _frames.Writer.TryComplete(cause);

    public async Task WriteAsync(Stream outputStream, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (byte[] frame in _frames.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                await outputStream.WriteAsync(frame.AsMemory(0, _frameBytes), cancellationToken).ConfigureAwait(false);
                ArrayPool<byte>.Shared.Return(frame);
            }
        }
        catch (IOException)
        {
            // ffmpeg has ended. Its exit code and its log, which the caller has, say why.
            Broken = true;
        }
    }
}
