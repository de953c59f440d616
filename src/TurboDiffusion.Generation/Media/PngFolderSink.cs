using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using SkiaSharp;
using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Media;

/// <summary>A folder of PNG files, one per frame.</summary>
internal sealed partial class PngFolderSink : IFrameSink
{
    private const string MetadataFile = "metadata.json";

    private readonly VideoFormat _format;
    private readonly VideoMetadata _metadata;
    private readonly VideoTarget _target;
    private readonly bool _overwrite;
    private readonly PartialOutput _output;
    private readonly CancellationToken _cancellationToken;
    private int _count;
    private bool _ended;

    public PngFolderSink(VideoTarget target, VideoFormat format, VideoMetadata metadata, VideoOptions options,
        CancellationToken cancellationToken)
    {
        (_target, _format, _metadata, _overwrite, _cancellationToken) = (target, format, metadata, options.Overwrite, cancellationToken);
        _output = target.Begin();
    }

    /// <summary>Whether a file of this name is one that this sink writes.</summary>
    public static bool IsOwnFile(string name) => name == MetadataFile || FrameName().IsMatch(name);

    public void Write(torch.Tensor frames)
    {
        _format.Check(frames);
        using var scope = torch.NewDisposeScope();
        for (long t = 0; t < frames.shape[0]; t++)
        {
            _cancellationToken.ThrowIfCancellationRequested();
            using SKData png = PngFile.Encode(frames[t]);
            Add(string.Create(CultureInfo.InvariantCulture, $"frame_{_count++:00000}.png"), png.SaveTo);
        }
    }

    public Task CompleteAsync(CancellationToken cancellationToken = default)
    {
        _cancellationToken.ThrowIfCancellationRequested();
        cancellationToken.ThrowIfCancellationRequested();
        if (_ended) return Task.CompletedTask;
        if (_count == 0) throw new InvalidOperationException("A video needs at least one frame.");
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
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        _output.Dispose();
        _ended = true;
        return ValueTask.CompletedTask;
    }

    // The folder as a whole takes its name at the end, so that its files need not.
    private void Add(string name, Action<Stream> write)
    {
        try
        {
            using FileStream file = File.Create(Path.Combine(_output.Path, name));
            write(file);
            file.Flush(flushToDisk: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" })
        {
            throw VideoTarget.NotWritten(_target.Path, e);
        }
    }

    [GeneratedRegex(@"^frame_\d{5,}\.png$")]
    private static partial Regex FrameName();
}
