using System.Globalization;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Cli.Output;

/// <summary>A memory plan for people and for programs.</summary>
/// <param name="card">The card.</param>
/// <param name="model">The model.</param>
/// <param name="clip">What is generated.</param>
/// <param name="steps">Denoising steps.</param>
/// <param name="shown">The plan: the one that fits; where none does, the one that takes the least.</param>
/// <param name="fits">Whether it fits.</param>
/// <param name="asked">Whether its residency was asked for.</param>
/// <param name="time">The seconds that are expected, where that is known.</param>
internal sealed class PlanReport(
    Card card, ModelFootprint model, ClipExtent clip, int steps, MemoryPlan shown, bool fits, bool asked, TimeEstimate? time)
{
    // Why the weights stay or do not.
    private string Reason { get; } =
        MemoryPlan.Reason(model, clip, fits ? shown.Residency : null, card.AvailableBytes, asked && fits);

    /// <summary>Writes it as text.</summary>
    public void WriteTo(TextWriter output)
    {
        string text = model.TextEncoderWeights == WeightFormat.Float ? "" : $", {Name(model.TextEncoderWeights)} text encoder";
        output.WriteLine(
            $"{model.Name}, {Name(model.Weights)} weights, {Name(model.Attention.Kind)} attention{text}: {clip} in {steps} steps");
        output.WriteLine(card.IsGpu
            ? $"{card.Name}: {Format.Bytes(card.Bytes)}, of which {Format.Bytes(card.AvailableBytes)} are counted on"
            : $"{card.Name}: {Format.Bytes(card.Bytes)} free");
        output.WriteLine();
        TextTable.Write(output,
        [
            ["stage", "weights", "working", "together"],
            .. shown.Stages.Select(s => new[]
            {
                GenerationReport.Name(s.Stage) + (s == shown.Peak ? " (peak)" : ""), Format.Bytes(s.WeightBytes),
                Format.Bytes(s.WorkingBytes), Format.Bytes(s.Bytes),
            }),
        ], indent: 2);
        output.WriteLine();
        output.WriteLine($"{(fits ? Name(shown.Residency) : "does not fit")}: {Reason}");
        output.WriteLine(time is { } t
            ? string.Create(CultureInfo.InvariantCulture,
                $"expected: denoising {t.Denoising:0.0} s, decoding {t.Decoding:0.0} s; {t.Basis}")
            : "no time was measured on this card with such a model: none is told");
    }

    /// <summary>The plan as JSON.</summary>
    public string Json() => Output.Json.Of(new
    {
        Model = model.Name,
        model.Weights,
        model.TextEncoderWeights,
        Attention = model.Attention.Kind,
        Width = clip.Size.Width,
        Height = clip.Size.Height,
        clip.Frames,
        Steps = steps,
        Card = new { card.Name, card.Bytes, card.AvailableBytes },
        Fits = fits,
        shown.Residency,
        Reason,
        Stages = shown.Stages.Select(s => new { s.Stage, s.WeightBytes, s.WorkingBytes, s.Bytes }),
        PeakBytes = shown.Peak.Bytes,
        shown.HostBytes,
        Seconds = time is null ? null : new { time.Denoising, time.Decoding, time.Basis },
    });

    private static string Name<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
