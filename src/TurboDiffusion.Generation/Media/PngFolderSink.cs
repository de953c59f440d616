using System.Globalization;
using System.Text.RegularExpressions;
using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>A folder of PNG files, one per frame.</summary>
internal sealed partial class PngFolderSink : IFrameSink
{
    private const string MetadataFile = "metadata.json";

    private readonly VideoFormat _format;
    private readonly VideoMetadata _metadata;
    private readonly PartialOutput _output;
    private readonly CancellationToken _cancellationToken;
    private int _count;
    private bool _ended;

    public PngFolderSink(VideoTarget target, VideoFormat format, VideoMetadata metadata, VideoOptions options, CancellationToken cancellationToken)
    {
        (_format, _metadata, _cancellationToken) = (format, metadata, cancellationToken);
        _output = new PartialOutput(target, options.Overwrite);
        Directory.CreateDirectory(_output.Path);
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
            PngFile.Write(Path.Combine(_output.Path, string.Create(CultureInfo.InvariantCulture, $"frame_{_count++:00000}.png")), frames[t]);
        }
    }

    public Task CompleteAsync(CancellationToken cancellationToken = default)
    {
        _cancellationToken.ThrowIfCancellationRequested();
        cancellationToken.ThrowIfCancellationRequested();
        if (_ended) return Task.CompletedTask;
        if (_count == 0) throw new InvalidOperationException("A video needs at least one frame.");
        File.WriteAllText(Path.Combine(_output.Path, MetadataFile), _metadata.ToJson());
        _ended = true;
        _output.Commit();
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        if (!_ended) _output.Discard();
        _ended = true;
        return ValueTask.CompletedTask;
    }

    [GeneratedRegex(@"^frame_\d{5,}\.png$")]
    private static partial Regex FrameName();
}
