using System.Globalization;
using System.Text;
using System.Text.Json;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>What was measured.</summary>
internal sealed record BenchmarkResult
{
    /// <summary>The model's name.</summary>
    public required string Preset { get; init; }

    /// <summary>Whether the weights are those of a model of files; random ones otherwise.</summary>
    public bool OwnWeights { get; init; }

    /// <summary>What the model is sampled with.</summary>
    public required SamplingDefaults Sampling { get; init; }

    /// <summary>The video's size, such as <c>832x480</c>.</summary>
    public required string Size { get; init; }

    /// <summary>The video's frames.</summary>
    public required int Frames { get; init; }

    /// <summary>Tokens that attend to each other.</summary>
    public required long Tokens { get; init; }

    /// <summary>The device's name.</summary>
    public required string Device { get; init; }

    /// <summary>Sparse attention's share of key blocks.</summary>
    public required double TopK { get; init; }

    /// <summary>The version of this software.</summary>
    public required string Version { get; init; }

    /// <summary>The PyTorch baseline's rows; empty where it was not asked for.</summary>
    public IReadOnlyList<BenchmarkRow> Baseline { get; init; } = [];

    /// <summary>The card whose memory the GPU was given; null: it had its own.</summary>
    public string? Card { get; init; }

    /// <summary>The version of the baseline's PyTorch.</summary>
    public string? BaselineTorch { get; init; }

    /// <summary>The variants' rows in order.</summary>
    public IReadOnlyList<BenchmarkRow> Rows { get; init; } = [];

    /// <summary>The decomposition by ingredient.</summary>
    public IReadOnlyList<DecompositionEntry> Decomposition => Benchmark.Decomposition.Of(Rows, Sampling);

    /// <summary>Accelerated paths against the plain one; empty where it was not asked for.</summary>
    public IReadOnlyList<PathDifference> Differences { get; init; } = [];

    /// <summary>Reads what <see cref="ToJson"/> wrote; what follows from the rest is computed again.</summary>
    /// <param name="json">JSON.</param>
    /// <exception cref="JsonException">It is not such a result.</exception>
    public static BenchmarkResult FromJson(string json) =>
        JsonSerializer.Deserialize<BenchmarkResult>(json, ResultJson.Options) ?? throw new JsonException("The result is null.");

    /// <summary>Every number.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, ResultJson.Options);

    /// <summary>
    /// The tables in Markdown: steps; the decomposition; the undistilled baseline; profiles; differences by step and by block.
    /// </summary>
    public string ToMarkdown()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture,
            $"{Preset}, {Size}, {Frames} frames ({Tokens} tokens), batch 1, {(OwnWeights ? "its own" : "random")} weights, {Device}; "
                + $"sparse attention keeps {TopK:0.##} of the key blocks.{(Card is null ? "" : $" Memory of {Card}.")}");
        if (BaselineTorch is not null) text.Append(CultureInfo.InvariantCulture, $" PyTorch {BaselineTorch}.");
        text.Append("\n\n");
        Steps(text);
        foreach (BenchmarkRow swapped in Rows.Where(r => r is { Variant.Swapped: true, StepMilliseconds: not null }))
            if (Rows.FirstOrDefault(r => r.Variant == swapped.Variant! with { Swapped = false }) is { StepMilliseconds: { } resident })
                text.Append(CultureInfo.InvariantCulture,
                    $"{swapped.Label}: {swapped.StepMilliseconds / resident:0.00} times the step of resident weights.\n\n");
        if (Decomposition.Count > 0)
            Table(text, ["one video's denoising", "calls", "ms a step", "s", "times faster", "in all"],
                Decomposition.Select(d => (string[])[d.Ingredient, Text(d.Calls, "0"), Text(d.StepMilliseconds, "0.0"),
                    Text(d.Seconds, "0.00"), Text(d.Gain, "0.00"), Text(d.Total, "0.0")]));
        if (Best(Baseline) is { } baseline && Best(Rows) is { } best)
        {
            double undistilled = Benchmark.Decomposition.OriginalCalls(Sampling) * baseline.StepMilliseconds!.Value / 1000;
            double distilled = Sampling.RcmSteps * best.StepMilliseconds!.Value / 1000;
            text.Append(CultureInfo.InvariantCulture,
                $"{Sampling.FlowSteps} steps with guidance of {baseline.Label}: {undistilled:0.0} s. {Sampling.RcmSteps} steps of "
                    + $"{best.Label}: {distilled:0.00} s, {undistilled / distilled:0} times faster.\n\n");
        }
        foreach (BenchmarkRow row in Rows.Where(r => r.Forms.Count > 0))
            text.Append(CultureInfo.InvariantCulture, $"{row.Label}: {string.Join("; ", row.Forms)}.\n\n");
        foreach (BenchmarkRow row in Rows.Where(r => r.Profile.Count > 0))
            Table(text, [$"parts of a step: {row.Label}", "ms", "%"],
                row.Profile.Select(p => (string[])[p.Part, Text(p.Milliseconds, "0.00"), Text(100 * p.Share, "0.0")]));
        Compared(text, "the latents", "step", 1, d => d.Steps);
        Compared(text, "each block alone", "block", 0, d => d.Blocks);
        return text.ToString().TrimEnd('\n') + "\n";
    }

    private static BenchmarkRow? Best(IEnumerable<BenchmarkRow> rows) => rows.Where(r => r.StepMilliseconds is not null)
        .MinBy(r => r.StepMilliseconds);

    // Ratios are to the first variant, and to the fastest row of the baseline.
    private void Steps(StringBuilder text)
    {
        double? first = Rows.FirstOrDefault()?.StepMilliseconds, baseline = Best(Baseline)?.StepMilliseconds;
        BenchmarkRow[] all = [.. Baseline, .. Rows];
        var columns = new List<(string Title, Func<BenchmarkRow, string> Cell)>
        {
            ("one denoising step", r => r.Failure is null ? r.Label : $"{r.Label}: {r.Failure}"),
            ("ms", r => Text(r.StepMilliseconds, "0.0")),
            ("times faster", r => Text(first / r.StepMilliseconds, "0.00")),
        };
        if (baseline is not null) columns.Add(("than PyTorch", r => Text(baseline / r.StepMilliseconds, "0.00")));
        if (all.Any(r => r.PeakBytes is not null)) columns.Add(("peak GB", r => Text(r.PeakBytes / 1e9, "0.0")));
        if (all.Any(r => r.SwitchMilliseconds is not null))
        {
            columns.Add(("experts in memory", r => Text(r.Experts, "0")));
            columns.Add(("switch ms", r => Text(r.SwitchMilliseconds, "0.0")));
        }
        columns.Add(("runs", r => r.Repeats == 0 ? "" : Text(r.Repeats, "0")));
        Table(text, [.. columns.Select(c => c.Title)], all.Select(r => (string[])[.. columns.Select(c => c.Cell(r))]));
    }

    // Two columns a path, relative L2 and cosine, and a row for each step or block.
    private void Compared(StringBuilder text, string what, string row, int first, Func<PathDifference, IReadOnlyList<Deviation>> deviations)
    {
        if (Differences.Count == 0) return;
        text.Append(CultureInfo.InvariantCulture, $"Relative L2 and cosine of {what}, against the plain path with float weights:\n\n");
        Table(text, [row, .. Differences.SelectMany(d => (string[])[d.Label, "cosine"])],
            Enumerable.Range(0, Differences.Max(d => deviations(d).Count)).Select(i => (string[])
            [
                Text(first + i, "0"),
                .. Differences.SelectMany(d => deviations(d).ElementAtOrDefault(i) is { } at
                    ? (string[])[Text(at.RelativeL2, "0.00000"), Text(at.Cosine, "0.000000")]
                    : ["", ""]),
            ]));
    }

    private static void Table(StringBuilder text, string[] titles, IEnumerable<string[]> rows)
    {
        Line(titles);
        Line(titles.Select((_, i) => i == 0 ? "---" : "--:"));
        foreach (string[] row in rows) Line(row);
        text.Append('\n');

        void Line(IEnumerable<string> cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
    }

    private static string Text(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";
}
