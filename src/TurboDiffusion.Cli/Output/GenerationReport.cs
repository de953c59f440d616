using System.Globalization;
using System.Text;
using TurboDiffusion.Generation;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Cli.Output;

/// <summary>What was made.</summary>
internal static class GenerationReport
{
    private const string Noise =
        "The weights of this model are random: the picture is noise. For real pictures, get a trained model (docs/checkpoints.md) and "
            + "name it with --model.";

    /// <summary>For people.</summary>
    public static string Text(IReadOnlyList<VideoResult> videos, bool randomWeights)
    {
        var text = new StringBuilder();
        foreach (VideoResult v in videos)
            text.AppendLine(CultureInfo.InvariantCulture,
                $"{v.Path}: {v.Width}x{v.Height}, {v.Frames} frames at {v.FramesPerSecond} per second ({v.Duration.TotalSeconds:0.0} s), "
                    + $"seed {v.Seed}");
        VideoResult first = videos[0];
        text.AppendLine(CultureInfo.InvariantCulture, $"model: {first.Model}");
        text.Append(CultureInfo.InvariantCulture,
            $"time: {string.Join(", ", first.StageTimes.Select(t => $"{Name(t.Key)} {Format.Seconds(t.Value)}"))}; "
                + $"{Format.Seconds(first.Elapsed)} in all");
        if (randomWeights) text.AppendLine().Append(Noise);
        return text.ToString();
    }

    /// <summary>For programs.</summary>
    public static string Json(IReadOnlyList<VideoResult> videos, bool randomWeights)
    {
        VideoResult first = videos[0];
        return Output.Json.Of(new
        {
            Videos = videos.Select(v => new { v.Path, v.Prompt, v.Seed, v.Width, v.Height, v.Frames, v.FramesPerSecond, v.Note }),
            Model = new
            {
                first.Model.Name,
                first.Model.Preset,
                first.Model.Variant,
                Attention = Word(first.Model.Attention),
                Weights = Word(first.Model.Weights),
                TextEncoderWeights = Word(first.Model.TextEncoderWeights),
                first.Model.TinyVae,
                first.Model.Loras,
                first.Model.Device,
                RandomWeights = randomWeights,
            },
            StageSeconds = first.StageTimes.ToDictionary(t => t.Key.ToString(), t => t.Value.TotalSeconds),
            Seconds = first.Elapsed.TotalSeconds,
            VideoModel.Version,
        });
    }

    /// <summary>A stage in words.</summary>
    public static string Name(GenerationStage stage) => stage switch
    {
        GenerationStage.Loading => "loading",
        GenerationStage.EncodingText => "encoding the prompt",
        GenerationStage.EncodingImage => "encoding the image",
        GenerationStage.Denoising => "denoising",
        GenerationStage.Decoding => "decoding",
        _ => stage.ToString(),
    };

    private static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
