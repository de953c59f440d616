using System.Buffers;
using System.Threading.Channels;
using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>
/// Frames on their way from the decoder to ffmpeg, as raw RGB. Some may wait (<see cref="VideoFormat.FramesWaiting"/>); then the decoder
/// waits, and memory stays flat whatever the video's length.
/// </summary>
internal sealed class FramePipe(VideoFormat format)
{
    private readonly int _frameBytes = format.FrameBytes;
    private readonly Channel<byte[]> _frames = Channel.CreateBounded<byte[]>(
        new BoundedChannelOptions(format.FramesWaiting) { SingleReader = true, SingleWriter = true });

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

    /// <summary>Gives every frame to ffmpeg, and then closes its input.</summary>
    /// <returns>False where ffmpeg stopped reading before the last frame.</returns>
    /// <exception cref="EnvironmentException">ffmpeg hangs.</exception>
    public async Task<bool> FeedAsync(FFmpegProcess ffmpeg, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (byte[] frame in _frames.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                await ffmpeg.WhileWorking(ffmpeg.Input.WriteAsync(frame.AsMemory(0, _frameBytes), cancellationToken).AsTask())
                    .ConfigureAwait(false);
                ArrayPool<byte>.Shared.Return(frame);
            }
            await ffmpeg.WhileWorking(ffmpeg.Input.DisposeAsync().AsTask()).ConfigureAwait(false);
            return true;
        }
        catch (IOException)
        {
            // ffmpeg has ended. Its exit code and its log say why.
            return false;
        }
    }
}
