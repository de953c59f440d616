using System.Globalization;
using TurboDiffusion.Generation.Media;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>Cuts the videos of a folder into clips and keeps the record of what is done.</summary>
internal sealed class VideoCutter
{
    private readonly VideoFolder _videos;
    private readonly VideoClipOptions _options;
    private readonly VideoFormat _format;
    private readonly EncodingRecord _record;
    private readonly IProgress<EncodingProgress>? _progress;

    /// <summary>Opens the output.</summary>
    /// <param name="videos">The videos.</param>
    /// <param name="output">The folder to write.</param>
    /// <param name="options">How the videos are cut.</param>
    /// <param name="progress">Told after every clip and every video.</param>
    /// <param name="settings">What else the results depend on.</param>
    public VideoCutter(
        VideoFolder videos, string output, VideoClipOptions options, IProgress<EncodingProgress>? progress,
        params (string Name, string Value)[] settings)
    {
        (_videos, _options, _progress, _format) = (videos, options, progress, options.Format());
        _record = EncodingRecord.Open(output, new OrderedDictionary<string, string>
        {
            ["size"] = $"{options.Size.Width}x{options.Size.Height}",
            ["frames"] = options.Frames.ToString(CultureInfo.InvariantCulture),
            ["frames per second"] = options.FramesPerSecond.ToString(CultureInfo.InvariantCulture),
            ["clips per video"] = options.ClipsPerVideo?.ToString(CultureInfo.InvariantCulture) ?? "all",
        }.Concat(settings.Select(s => KeyValuePair.Create(s.Name, s.Value))));
        progress?.Report(Progress);
    }

    /// <summary>The videos that are not done.</summary>
    public IReadOnlyList<VideoFile> Pending => [.. _videos.Videos.Where(v => !_record.Videos.ContainsKey(v.Name))];

    /// <summary>What is done.</summary>
    public EncodingProgress Progress => ProgressWith(0);

    /// <summary>Cuts one video.</summary>
    /// <param name="video">The video.</param>
    /// <param name="write">Takes the name and the bytes, <c>[3, T, H, W]</c>, of each clip.</param>
    /// <param name="cancellationToken">Checked before every frame.</param>
    public void Cut(VideoFile video, Action<string, Tensor> write, CancellationToken cancellationToken)
    {
        int clips = 0;
        foreach (Tensor clip in VideoReader.ReadClips(video.Path, _format, _options.Frames, cancellationToken)
            .Take(_options.ClipsPerVideo ?? int.MaxValue))
        {
            using var scope = NewDisposeScope();
            using (clip) write(string.Create(CultureInfo.InvariantCulture, $"{video.Name}-{clips++:000}"),
                clip.permute(3, 0, 1, 2).contiguous());
            _progress?.Report(ProgressWith(clips));
        }
        _record.Add(video.Name, clips);
        _progress?.Report(Progress);
    }

    private EncodingProgress ProgressWith(int moreClips)
    {
        VideoFile[] done = [.. _videos.Videos.Where(v => _record.Videos.ContainsKey(v.Name))];
        return new EncodingProgress(done.Length, _videos.Videos.Count, done.Sum(v => _record.Videos[v.Name]) + moreClips,
            [.. done.Where(v => _record.Videos[v.Name] == 0)]);
    }
}
