using System.Globalization;
using TorchSharp;
using TurboDiffusion.Cli.Plots;
using TurboDiffusion.Evaluation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Operators.Attention;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class SparsityChartTests(Models models)
{
    [Fact]
    public void Rows_that_differ_in_the_share_alone_are_one_curve()
    {
        EvaluationRow[] rows =
        [
            new() { Label = "real clips", OneObject = Right(1) },
            Row("student, dense", AttentionKind.Dense, null, 0.95),
            Row("student, SLA, topK 0.5", AttentionKind.Sla, 0.5, 0.9),
            Row("student, SLA, topK 0.17", AttentionKind.Sla, 0.17, 0.2),
            Row("two steps", AttentionKind.Sla, 0.17, 0.1) with { Variant = Variant(AttentionKind.Sla, 0.17) with { Steps = 2 } },
            Row("student, SageSLA, 0.5", AttentionKind.SageSla, 0.5, 0.88),
            Row("not scored", AttentionKind.Sla, 0.84, 0) with { OneObject = null, TwoObjects = null },
        ];
        Assert.Equal(
            ["student, SLA: 0.17 0.2, 0.5 0.9; dense 0.95", "two steps: 0.17 0.1; dense ", "student, SageSLA, 0.5: 0.5 0.88; dense 0.95"],
            SparsityChart.Curves(rows).Select(c => string.Create(CultureInfo.InvariantCulture,
                $"{c.Name}: {string.Join(", ", c.Rows.Select(r => FormattableString.Invariant($"{r.Share} {r.Row.OneObject!.All}")))}; "
                    + $"dense {c.Dense?.OneObject!.All}")));
    }

    [Fact]
    public void A_chart_is_drawn_of_earlier_results_and_nothing_is_measured()
    {
        string folder = models.NewFolder(), chart = Path.Combine(folder, "topk.png"), table = Path.Combine(folder, "topk.md");
        string[] files = [.. Enumerable.Range(0, 2).Select(i => Path.Combine(folder, $"{i}.json"))];
        Write(files[0], Row("a, 0.2", AttentionKind.Sla, 0.2, 0.4), Row("a, 0.8", AttentionKind.Sla, 0.8, 0.9));
        Write(files[1], Row("dense", AttentionKind.Dense, null, 0.95));
        CommandRun run = CommandRun.Of(["evaluate", "--from", .. files, "--chart", chart, "--table", table]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Matches(@"\| a, 0\.2 \| [^\n]*\n\| a, 0\.8 \|[^\n]*\n\n\|  \| shape [^\n]*\n[^\n]*\n\| dense \|", run.Out);
        Assert.Equal(run.Out, File.ReadAllText(table));
        using (torch.Tensor image = ImageReader.Read(chart))
        {
            Assert.Equal([3, 600, 1000], image.shape);
            // One curve for both files: the first colour of the palette alone, with the diamonds of dense attention at the right.
            Assert.InRange(Pixels.Count(image, 31, 119, 180), 1000, 20_000);
            Assert.InRange(Pixels.Count(image.narrow(2, 925, 35).narrow(1, 20, 100), 31, 119, 180), 20, 1000);
            Assert.Equal(0, Pixels.Count(image, 255, 127, 14));
        }

        File.Delete(chart);
        CommandRun dense = CommandRun.Of("evaluate", "--from", files[1], "--chart", chart);
        Assert.Equal((0, false), (dense.ExitCode, File.Exists(chart)));
        Assert.Contains("no scores of sparse attention", dense.Error);
        Assert.Contains("leave out --model", Assert.Single(CommandRun.Of("evaluate", "--from", files[0], "--model", "shapes").Errors));
        File.WriteAllText(files[0], "[]");
        Assert.Contains("is not the JSON file of an earlier run of evaluate",
            Assert.Single(CommandRun.Of("evaluate", "--from", files[0]).Errors));
    }

    // The picture of the page is drawn from this file: a column for each of its curves.
    [Fact]
    public void The_page_and_the_file_of_its_curves_have_the_same_numbers()
    {
        string docs = Path.Combine(Repository.Root, "docs");
        string[] page = File.ReadAllLines(Path.Combine(docs, "quality.md"));
        IReadOnlyList<SparsityChart.Curve> curves =
            SparsityChart.Curves(EvaluationResult.FromJson(File.ReadAllText(Path.Combine(docs, "pictures", "topk.json"))).Rows);
        Assert.Equal(["not tuned", "turbo", "merged as in the paper"], curves.Select(c => c.Name.Replace(", 4 steps, SLA", "")));
        double[] shares = [.. curves[0].Rows.Select(r => r.Share)];
        Assert.All(curves, curve => Assert.Equal(shares, curve.Rows.Select(r => r.Share)));
        int header = Array.FindIndex(page, line => line.StartsWith("| share of the key blocks |", StringComparison.Ordinal));
        Assert.Equal(
            shares.Select((share, i) => string.Create(CultureInfo.InvariantCulture,
                $"| {share} | {string.Join(" | ", curves.Select(c => Cell(c.Rows[i].Row)))} |")),
            page.Skip(header + 2).TakeWhile(line => line.StartsWith('|')));
    }

    private static string Cell(EvaluationRow row) => FormattableString.Invariant(
        $"{100 * row.OneObject!.All:0.0} / {100 * row.TwoObjects!.All:0.0}, {row.Frechet:0.000}");

    private static AttributeScores Right(double all) => new(100, all, 1, 1, 1, all);

    private static EvaluationVariant Variant(AttentionKind attention, double? share) =>
        new() { Label = "", Transformer = "a.safetensors", Steps = 4, Attention = attention, TopK = share };

    private static EvaluationRow Row(string label, AttentionKind attention, double? share, double all) => new()
    {
        Label = label, Variant = Variant(attention, share) with { Label = label }, OneObject = Right(all), TwoObjects = Right(all / 2),
    };

    private static void Write(string path, params EvaluationRow[] rows) => File.WriteAllText(path, new EvaluationResult
    {
        Size = new ClipSize(64, 48, 9, 8), Seed = 1, ReferenceClips = 4, Version = "test", Rows = rows,
    }.ToJson());
}
