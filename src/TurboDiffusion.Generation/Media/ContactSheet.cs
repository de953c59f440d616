using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>
/// Clips on one sheet, each above its caption where it has one: a picture of some frames of each, or a video in which all move.
/// </summary>
public sealed class ContactSheet
{
    /// <summary>Pixels between pictures.</summary>
    public const int Gap = 4;

    /// <summary>Clips beside each other in a video.</summary>
    public const int Columns = 4;

    private readonly IReadOnlyList<torch.Tensor> _clips;
    private readonly Func<int, int, torch.Tensor>? _caption;

    /// <summary>Puts a sheet together.</summary>
    /// <param name="clips">
    /// At least one, of one size and length, each <c>[T, H, W, 3]</c>, uint8, on the CPU; they stay the caller's.
    /// </param>
    /// <param name="caption">
    /// Draws the caption of a clip: its number and a width give <c>[h, width, 3]</c>, uint8, of one height for all; null: no captions.
    /// The sheet frees it.
    /// </param>
    /// <exception cref="ArgumentException">The clips are not such.</exception>
    public ContactSheet(IReadOnlyList<torch.Tensor> clips, Func<int, int, torch.Tensor>? caption = null)
    {
        ArgumentOutOfRangeException.ThrowIfZero(clips.Count);
        long[] first = clips[0].shape;
        foreach (torch.Tensor clip in clips)
            if (clip.dtype != torch.uint8 || clip.dim() != 4 || clip.size(0) < 1 || clip.size(3) != 3 || !clip.shape.SequenceEqual(first))
                throw new ArgumentException(
                    $"A clip is {clip.dtype} [{string.Join(", ", clip.shape)}]; expected Byte [T, H, W, 3], as the first, "
                        + $"[{string.Join(", ", first)}].",
                    nameof(clips));
        (_clips, _caption) = (clips, caption);
    }

    private int Length => (int)_clips[0].size(0);

    /// <summary>Writes a PNG, whole or not at all: a row of frames for each clip. Needs no ffmpeg.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="frames">Frames shown of each, from the first to the last at even distances; all where a clip has no more.</param>
    /// <exception cref="EnvironmentException">The file cannot be written.</exception>
    public void WritePicture(string path, int frames = 6)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(frames);
        using var scope = torch.NewDisposeScope();
        int shown = Math.Min(frames, Length);
        int[] which = [.. Enumerable.Range(0, shown).Select(i => shown == 1 ? 0 : i * (Length - 1) / (shown - 1))];
        PngFile.Write(path, Grid([.. _clips.Select((clip, i) => Captioned(Grid([.. which.Select(f => clip[f])], shown), i))], columns: 1));
    }

    /// <summary>Writes a video of a grid in which every clip moves.</summary>
    /// <param name="path">An .mp4, .webm or .gif, or a folder of PNG frames (ends in /); an existing one is replaced.</param>
    /// <param name="framesPerSecond">The speed.</param>
    /// <param name="metadata">What the file says of itself.</param>
    /// <param name="cancellationToken">Leaves nothing behind.</param>
    /// <exception cref="EnvironmentException">The file cannot be written, or there is no ffmpeg.</exception>
    public void WriteVideo(string path, double framesPerSecond, VideoMetadata metadata, CancellationToken cancellationToken = default)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor first = Frame(0);
        IFrameSink sink = VideoSink.Open(
            path, new VideoFormat((int)first.size(1), (int)first.size(0), framesPerSecond), metadata,
            new VideoOptions { Overwrite = true }, cancellationToken);
        try
        {
            for (int frame = 0; frame < Length; frame++)
            {
                using var perFrame = torch.NewDisposeScope();
                sink.Write((frame == 0 ? first : Frame(frame)).unsqueeze(0));
            }
            sink.CompleteAsync(cancellationToken).GetAwaiter().GetResult();
        }
        finally
        {
            sink.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private torch.Tensor Frame(int frame)
    {
        torch.Tensor grid = Grid([.. _clips.Select((clip, i) => Captioned(clip[frame], i))], Math.Min(Columns, _clips.Count));
        // Videos have even sizes.
        torch.Tensor even = Paper((grid.size(0) + 1) / 2 * 2, (grid.size(1) + 1) / 2 * 2);
        even.narrow(0, 0, grid.size(0)).narrow(1, 0, grid.size(1)).copy_(grid);
        return even;
    }

    private torch.Tensor Captioned(torch.Tensor picture, int clip) =>
        _caption is null ? picture : torch.cat([picture, _caption(clip, (int)picture.size(1))], dim: 0);

    private static torch.Tensor Grid(torch.Tensor[] pictures, int columns)
    {
        (long height, long width) = (pictures[0].size(0), pictures[0].size(1));
        int rows = (pictures.Length + columns - 1) / columns;
        torch.Tensor paper = Paper(rows * (height + Gap) - Gap, columns * (width + Gap) - Gap);
        for (int i = 0; i < pictures.Length; i++)
            paper.narrow(0, i / columns * (height + Gap), height).narrow(1, i % columns * (width + Gap), width).copy_(pictures[i]);
        return paper;
    }

    private static torch.Tensor Paper(long height, long width) => torch.full([height, width, 3], 255, torch.uint8);
}
