using System.Globalization;
using TurboDiffusion.Generation.Planning;

namespace TurboDiffusion.Cli.Output;

/// <summary>A memory plan for people and for programs.</summary>
/// <param name="card">The card.</param>
/// <param name="model">The model.</param>
/// <param name="clip">What is generated.</param>
/// <param name="steps">Denoising steps.</param>
/// <param name="chosen">The plan that fits; null where none does.</param>
/// <param name="time">The seconds that are expected, where that is known.</param>
internal sealed class PlanReport(Card card, ModelFootprint model, ClipExtent clip, int steps, MemoryPlan? chosen, TimeEstimate? time)
{
    /// <summary>The plan that fits; null where none does.</summary>
    public MemoryPlan? Chosen => chosen;

    // Of a request that does not fit, the plan that takes the least.
    private MemoryPlan Shown => chosen ?? MemoryPlan.Of(model, clip, Residency.Staged);

    /// <summary>Why the weights stay or do not.</summary>
    private string Reason
    {
        get
        {
            MemoryPlan resident = MemoryPlan.Of(model, clip, Residency.Resident);
            string together = $"all weights together take {Format.Bytes(resident.Peak.Bytes)}";
            return chosen switch
            {
                null => $"{together}, one model at a time {Format.Bytes(Shown.Peak.Bytes)}; {Format.Bytes(card.AvailableBytes)} are there",
                { Residency: Residency.Resident } => $"{together} of {Format.Bytes(card.AvailableBytes)}: they stay, and no stage waits "
                    + "for a file after the first video",
                _ => $"{together}, more than {Format.Bytes(card.AvailableBytes)}: one model at a time (--low-memory), which reads each "
                    + "again for every video",
            };
        }
    }

    /// <summary>Writes it as text.</summary>
    public void WriteTo(TextWriter output)
    {
        output.WriteLine($"{model.Name}, {Name(model.Weights)} weights, {Name(model.Attention.Kind)} attention: {clip} in {steps} steps");
        output.WriteLine(card.IsGpu
            ? $"{card.Name}: {Format.Bytes(card.Bytes)}, of which {Format.Bytes(card.AvailableBytes)} are counted on"
            : $"{card.Name}: {Format.Bytes(card.Bytes)} free");
        output.WriteLine();
        TextTable.Write(output,
        [
            ["stage", "weights", "working", "together"],
            .. Shown.Stages.Select(s => new[]
            {
                GenerationReport.Name(s.Stage) + (s == Shown.Peak ? " (peak)" : ""), Format.Bytes(s.WeightBytes),
                Format.Bytes(s.WorkingBytes), Format.Bytes(s.Bytes),
            }),
        ], indent: 2);
        output.WriteLine();
        output.WriteLine($"{(chosen is null ? "does not fit" : Name(chosen.Residency))}: {Reason}");
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
        Attention = model.Attention.Kind,
        Width = clip.Size.Width,
        Height = clip.Size.Height,
        clip.Frames,
        Steps = steps,
        Card = new { card.Name, card.Bytes, card.AvailableBytes },
        Fits = chosen is not null,
        Shown.Residency,
        Reason,
        Stages = Shown.Stages.Select(s => new { s.Stage, s.WeightBytes, s.WorkingBytes, s.Bytes }),
        PeakBytes = Shown.Peak.Bytes,
        Seconds = time is null ? null : new { time.Denoising, time.Decoding, time.Basis },
    });

    private static string Name<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
