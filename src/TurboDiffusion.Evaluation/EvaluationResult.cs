using System.Globalization;
using System.Text;
using System.Text.Json;

namespace TurboDiffusion.Evaluation;

/// <summary>What was measured.</summary>
public sealed record EvaluationResult
{
    /// <summary>The size of the clips.</summary>
    public required ClipSize Size { get; init; }

    /// <summary>The seed of prompts, noise and reference.</summary>
    public required int Seed { get; init; }

    /// <summary>Real clips that the Fréchet distances compare with.</summary>
    public required int ReferenceClips { get; init; }

    /// <summary>The version of this software.</summary>
    public required string Version { get; init; }

    /// <summary>The rows in order.</summary>
    public required IReadOnlyList<EvaluationRow> Rows { get; init; }

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <param name="json">JSON.</param>
    /// <exception cref="JsonException">It is not such a result.</exception>
    public static EvaluationResult FromJson(string json) =>
        JsonSerializer.Deserialize<EvaluationResult>(json, ResultJson.Options) ?? throw new JsonException("The result is null.");

    /// <summary>Every number, and every clip.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, ResultJson.Options);

    /// <summary>
    /// A table in Markdown: shares in percent for clips of one object, all four attributes for those of two, the Fréchet
    /// distance, the seconds of one clip, and how many times faster than the first variant that denoises.
    /// </summary>
    public string ToMarkdown()
    {
        EvaluationRow[] variants = [.. Rows.Where(r => r.Latency is not null)];
        bool scores = Rows.Any(r => r.OneObject is not null || r.TwoObjects is not null), latency = variants.Length > 0;
        var columns = new List<(string Title, Func<EvaluationRow, string> Cell)> { ("", r => r.Label) };
        if (scores)
            columns.AddRange(
            [
                ("shape", r => Percent(r.OneObject?.Shape)),
                ("colour", r => Percent(r.OneObject?.Color)),
                ("background", r => Percent(r.OneObject?.Background)),
                ("motion", r => Percent(r.OneObject?.Motion)),
                ("all", r => Percent(r.OneObject?.All)),
                ("all, two objects", r => Percent(r.TwoObjects?.All)),
                ("Fréchet", r => Number(r.Frechet, "0.000")),
            ]);
        if (latency)
            columns.AddRange(
            [
                ("denoising s", r => Number(r.Latency?.Denoising, "0.000")),
                ("decoding s", r => Number(r.Latency?.Decoding, "0.000")),
                ("times faster", r => Number(variants[0].Latency!.Denoising / r.Latency?.Denoising, "0.0")),
            ]);
        var table = new StringBuilder();
        Line(columns.Select(c => c.Title));
        Line(columns.Select((_, i) => i == 0 ? "---" : "--:"));
        foreach (EvaluationRow row in Rows) Line(columns.Select(c => c.Cell(row)));
        return table.ToString();

        void Line(IEnumerable<string> cells) => table.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
    }

    private static string Percent(double? share) => Number(100 * share, "0.0");

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";
}
