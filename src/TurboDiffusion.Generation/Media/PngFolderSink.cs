using System.Buffers;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Channels;
using SkiaSharp;
using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Media;

/// <summary>A folder of PNG files, one per frame, encoded by several threads while the next frames are decoded.</summary>
internal sealed partial class PngFolderSink : IFrameSink
{
    private const string MetadataFile = "metadata.json";

    // A frame takes a core tens of milliseconds, to encode it and until a disk has it; a decoder gives up to two hundred a second.
    private const int MostWriters = 24;

    private readonly VideoFormat _format;
    private readonly VideoMetadata _metadata;
    private readonly VideoTarget _target;
    private readonly bool _overwrite;
    private readonly PartialOutput _output;
    private readonly CancellationToken _cancellationToken;
    private readonly CancellationTokenSource _abort;
    private readonly Channel<(int Number, byte[] Pixels)> _frames;
    private readonly Task[] _writers;
    private ExceptionDispatchInfo? _failure;
    private int _count;
    private bool _ended, _disposed;

    public PngFolderSink(VideoTarget target, VideoFormat format, VideoMetadata metadata, VideoOptions options,
        CancellationToken cancellationToken)
    {
        (_target, _format, _metadata, _overwrite, _cancellationToken) = (target, format, metadata, options.Overwrite, cancellationToken);
        _output = target.Begin();
        _abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _frames = Channel.CreateBounded<(int, byte[])>(new BoundedChannelOptions(format.FramesWaiting) { SingleWriter = true });
        int writers = Math.Clamp(Environment.ProcessorCount - 1, 1, MostWriters);
        _writers = [.. Enumerable.Range(0, writers).Select(_ => Task.Run(WriteFramesAsync, CancellationToken.None))];
    }

    /// <summary>Whether a file of this name is one that this sink writes.</summary>
    public static bool IsOwnFile(string name) => name == MetadataFile || FrameName().IsMatch(name);

    public void Write(torch.Tensor frames)
    {
        _format.Check(frames);
        using var scope = torch.NewDisposeScope();
        torch.Tensor bytes = frames.cpu().contiguous();
        for (long t = 0; t < bytes.size(0); t++)
        {
            _cancellationToken.ThrowIfCancellationRequested();
            byte[] pixels = ArrayPool<byte>.Shared.Rent(_format.FrameBytes);
            bytes[t].bytes.CopyTo(pixels);
            try
            {
                if (!_frames.Writer.TryWrite((_count, pixels)))
                    _frames.Writer.WriteAsync((_count, pixels), _cancellationToken).AsTask().GetAwaiter().GetResult();
                _count++;
            }
            catch (ChannelClosedException)
            {
                _failure?.Throw();
                throw new InvalidOperationException("The video is complete; frames cannot be added to it.");
            }
        }
    }

    public async Task CompleteAsync(CancellationToken cancellationToken = default)
    {
        _cancellationToken.ThrowIfCancellationRequested();
        cancellationToken.ThrowIfCancellationRequested();
        if (_ended) return;
        if (_count == 0) throw new InvalidOperationException("A video needs at least one frame.");
        _frames.Writer.TryComplete();
        using (cancellationToken.Register(_abort.Cancel)) await Task.WhenAll(_writers).ConfigureAwait(false);
        _failure?.Throw();
        byte[] metadata = Encoding.UTF8.GetBytes(_metadata.ToJson());
        Add(MetadataFile, file => file.Write(metadata));
        try
        {
            _output.Commit(_overwrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw VideoTarget.NotWritten(_target.Path, e);
        }
        _ended = true;
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        _frames.Writer.TryComplete();
        await _abort.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_writers).ConfigureAwait(false);
        _output.Dispose();
        _abort.Dispose();
        _ended = true;
    }

    // Until there are no more frames, or one of the writers fails. Never throws: what went wrong is thrown to the caller of the sink.
    private async Task WriteFramesAsync()
    {
        try
        {
            await foreach ((int number, byte[] pixels) in _frames.Reader.ReadAllAsync(_abort.Token).ConfigureAwait(false))
            {
                using (SKData png = PngFile.EncodeFast(pixels.AsSpan(0, _format.FrameBytes), _format.Width, _format.Height))
                    Add(string.Create(CultureInfo.InvariantCulture, $"frame_{number:00000}.png"), png.SaveTo);
                ArrayPool<byte>.Shared.Return(pixels);
            }
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(e), null);
            _frames.Writer.TryComplete();
            await _abort.CancelAsync().ConfigureAwait(false);
        }
    }

    // The folder as a whole takes its name at the end, so that its files need not.
    private void Add(string name, Action<Stream> write)
    {
        try
        {
            using FileStream file = File.Create(Path.Combine(_output.Path, name));
            write(file);
            Disk.Flush(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" })
        {
            throw VideoTarget.NotWritten(_target.Path, e);
        }
    }

    [GeneratedRegex(@"^frame_\d{5,}\.png$")]
    private static partial Regex FrameName();
}
