using System.Globalization;
using System.Text;
using System.Text.Json;
using TurboDiffusion.Models;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>Whole generations, measured.</summary>
internal sealed record EndToEndResult
{
    /// <summary>The frames went to host memory alone.</summary>
    public const string HostMemory = "host memory";

    /// <summary>They went to a folder of PNG files.</summary>
    public const string PngFrames = "frames/";

    /// <summary>They went to an MP4.</summary>
    public const string Mp4 = "video.mp4";

    // The official code with its official kernels, one H100 80GB, 81 frames (docs/performance.md): seconds of a denoising step (SageSLA,
    // bfloat16, which is its fastest there), of decoding and of encoding.
    private static readonly (ModelSpec Spec, VideoSize Size, double Step, double Decoding, double? Encoding)[] Official =
    [
        (ModelSpec.T2V1_3B, new(832, 480), 0.368, 1.818, 1.148), (ModelSpec.T2V1_3B, new(1280, 720), 0.915, 4.133, null),
        (ModelSpec.T2V14B, new(832, 480), 2.048, 1.818, 1.148), (ModelSpec.T2V14B, new(1280, 720), 5.122, 4.133, null),
    ];

    /// <summary>The model, and how it was run.</summary>
    public required string Model { get; init; }

    /// <summary>The published model that it is, or <see cref="ModelSpec.Custom"/>.</summary>
    public required string Preset { get; init; }

    /// <summary>Whether a tiny autoencoder decodes and encodes, which the official code has none of.</summary>
    public bool TinyVae { get; init; }

    /// <summary>The device.</summary>
    public required string Device { get; init; }

    /// <summary>The video's size.</summary>
    public required VideoSize Size { get; init; }

    /// <summary>Its frames.</summary>
    public required int Frames { get; init; }

    /// <summary>Denoising steps.</summary>
    public required int Steps { get; init; }

    /// <summary>The version of this software.</summary>
    public required string Version { get; init; }

    /// <summary>Seconds that opening and checking the files took.</summary>
    public required double OpeningSeconds { get; init; }

    /// <summary>Seconds in which the autoencoder encodes as many frames.</summary>
    public required double EncodingSeconds { get; init; }

    /// <summary>Where a process of its own put the frames.</summary>
    public string ProcessOutput { get; init; } = "";

    /// <summary>Seconds from the start of such a process to its end.</summary>
    public IReadOnlyList<double> ProcessSeconds { get; init; } = [];

    /// <summary>The first generation, to host memory; it loads the models.</summary>
    public required EndToEndRun First { get; init; }

    /// <summary>Every later generation.</summary>
    public required IReadOnlyList<EndToEndRun> Warm { get; init; }

    /// <summary>The most memory that was taken: of the GPU, or of the process.</summary>
    public required long PeakBytes { get; init; }

    /// <summary>
    /// Seconds from the start of decoding to the last frame with each writer over those without: 1 where writing keeps the decoder waiting
    /// for nothing.
    /// </summary>
    public IReadOnlyDictionary<string, double> WriterRatio => Over(r => r.FrameSeconds);

    /// <summary>The same to the end of writing, when the files are on the disk.</summary>
    public IReadOnlyDictionary<string, double> WrittenRatio => Over(r => r.Of(GenerationStage.Decoding));

    /// <summary>Every number.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, ResultJson.Options);

    /// <summary>The table in Markdown.</summary>
    public string ToMarkdown()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture,
            $"{Model}, {Size}, {Frames} frames, {Steps} steps, on {Device}; peak {PeakBytes / 1e9:0.0} GB.\n\n");
        var official = Official.Where(o => o.Spec.Name == Preset && o.Size == Size && Frames == 81)
            .Cast<(ModelSpec Spec, VideoSize Size, double Step, double Decoding, double? Encoding)?>().FirstOrDefault();
        string[] titles = ["seconds", "first", "warm", .. official is null ? (string[])[] : ["official code, H100", "times faster"]];
        Line(titles);
        Line(titles.Select((_, i) => i == 0 ? "---" : "--:"));
        foreach ((string name, GenerationStage stage, double? theirs) in new (string, GenerationStage, double?)[]
                 {
                     ("loading", GenerationStage.Loading, null), ("text", GenerationStage.EncodingText, null),
                     ("image", GenerationStage.EncodingImage, null),
                     ("denoising", GenerationStage.Denoising, Steps * official?.Step),
                     ("decoding", GenerationStage.Decoding, TinyVae ? null : official?.Decoding),
                 })
        {
            double first = First.Of(stage), warm = Median(HostMemory, r => r.Of(stage));
            if (first == 0 && warm == 0) continue;
            Row(name, first, warm, theirs);
        }
        Row("prompt to the last frame in host memory", First.Seconds, Median(HostMemory, r => r.Seconds), null);
        foreach (string writer in WriterRatio.Keys)
            Row($"prompt to {writer}", null, Median(writer, r => r.Seconds), null);
        if (ProcessSeconds.Count > 0) Row($"a process of its own, from start to {ProcessOutput}", null, Median(ProcessSeconds), null);
        Row("encoding a video of these frames", null, EncodingSeconds, TinyVae ? null : official?.Encoding);
        Row("opening the files", OpeningSeconds, null, null);
        text.Append('\n');
        foreach (string writer in WriterRatio.Keys)
            text.Append(CultureInfo.InvariantCulture,
                $"With {writer} written beside it, decoding takes {WriterRatio[writer]:0.00} times as long as without a writer, and "
                    + $"{WrittenRatio[writer]:0.00} times until all is on the disk.\n");
        return text.ToString();

        void Row(string name, double? first, double? warm, double? theirs) => Line(
        [
            name, Text(first, "0.00"), Text(warm, "0.00"),
            .. official is null ? (string[])[] : [Text(theirs, "0.00"), Text(theirs / warm, "0.0")],
        ]);

        void Line(IEnumerable<string> cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
    }

    private static string Text(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";

    private Dictionary<string, double> Over(Func<EndToEndRun, double> seconds) => Warm.Select(r => r.Writer).Distinct()
        .Where(w => w != HostMemory).ToDictionary(w => w, w => Median(w, seconds) / Median(HostMemory, seconds));

    private double Median(string writer, Func<EndToEndRun, double> value) => Median(Warm.Where(r => r.Writer == writer).Select(value));

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
