using System.Text.Json;
using System.Text.Json.Nodes;
using TurboDiffusion.Evaluation.Benchmark;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Sampling;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Evaluation.Tests;

public class BenchmarkTests
{
    private static readonly BenchmarkVariant Plain = new(AttentionKind.Dense, WeightFormat.Float, KernelUse.None);
    private static readonly BenchmarkVariant Sage = new(AttentionKind.SageSla, WeightFormat.Float, KernelUse.Products);
    private static readonly BenchmarkVariant SageInt8 = new(AttentionKind.SageSla, WeightFormat.Int8, KernelUse.Products);
    private static readonly BenchmarkVariant Fused = new(AttentionKind.SageSla, WeightFormat.Int8, KernelUse.All);

    private static readonly SamplingDefaults Sampling = ModelSpec.T2V1_3B.Sampling;

    private static readonly BenchmarkResult Result = new()
    {
        Sampling = Sampling,
        Preset = "Wan2.1-T2V-1.3B", Size = "832x480", Frames = 81, Tokens = 32760, Device = "a GPU", TopK = 0.1, Version = "1",
        Baseline = [new BenchmarkRow { Label = "PyTorch: eager", StepMilliseconds = 600, Repeats = 11, PeakBytes = 7_500_000_000 }],
        BaselineTorch = "2.11",
        Rows = [Row(Plain, 640), Row(Sage, 320), Row(SageInt8, 160), Row(Fused, 128),
            new BenchmarkRow { Label = "too large", Failure = "out of GPU memory" }],
    };

    [Fact]
    public void Ingredients_multiply_to_the_whole()
    {
        IReadOnlyList<DecompositionEntry> entries = Decomposition.Of(Result.Rows, Sampling);
        Assert.Equal([64, 2.56, 1.28, 0.64, 0.512], entries.Select(e => e.Seconds));
        Assert.Equal([1, 25, 2, 2, 1.25], entries.Select(e => e.Gain));
        Assert.Equal([1, 25, 50, 100, 125], entries.Select(e => e.Total));
    }

    [Fact]
    public void Ingredients_that_were_not_measured_are_left_out()
    {
        Assert.Equal(["+ int8 weights and activations"],
            Decomposition.Of([Row(Plain, 640), Row(SageInt8, 160)], Sampling).Skip(2).Select(e => e.Ingredient));
        Assert.Empty(Decomposition.Of([Row(Fused, 100)], Sampling));
        Assert.Empty(Decomposition.Of([new BenchmarkRow { Label = "x", Variant = Plain, Failure = "out of GPU memory" }], Sampling));
    }

    [Fact]
    public void The_table_has_every_row_and_its_ratios()
    {
        string table = Result.ToMarkdown();
        Assert.Contains("| PyTorch: eager | 600.0 | 1.07 | 1.00 | 7.5 | 11 |", table);
        Assert.Contains("| SageSLA, int8 weights, kernels | 128.0 | 5.00 | 4.69 |  | 3 |", table);
        Assert.Contains("| too large: out of GPU memory |  |  |  |  |  |", table);
        Assert.Contains("50 steps with guidance of PyTorch: eager: 60.0 s. 4 steps of SageSLA, int8 weights, kernels: 0.51 s, 117 times "
            + "faster.", table);
        foreach (string[] lines in table.Split("\n\n").Where(t => t.StartsWith('|')).Select(t => t.Trim().Split('\n')))
            Assert.Single(lines.Select(l => l.Count(c => c == '|')).Distinct());
    }

    [Fact]
    public void Two_experts_have_columns_of_their_own() =>
        Assert.Contains("| 128.0 | 1.00 | 2 | 7.3 | 3 |",
            (Result with { Baseline = [], Rows = [Row(Fused, 128) with { Experts = 2, SwitchMilliseconds = 7.25 }] }).ToMarkdown());

    [Fact]
    public void The_json_has_every_number()
    {
        JsonNode json = JsonNode.Parse(Result.ToJson())!;
        Assert.Equal("sageSla", (string)json["rows"]![1]!["variant"]!["attention"]!);
        Assert.Equal(640, (double)json["rows"]![0]!["stepMilliseconds"]!);
        Assert.Equal(125, (double)json["decomposition"]![4]!["total"]!);
    }

    [Fact]
    public void A_result_is_read_back_from_its_json()
    {
        BenchmarkResult full = Result with
        {
            Differences = [new PathDifference("fast", "plain", [new Deviation(0.01, 0.999)], [new Deviation(0.02, 0.998)])],
            Rows = [.. Result.Rows, Row(Fused with { Swapped = true }, 130) with
            {
                PeakBytes = 4_000_000_000, Experts = 2, SwitchMilliseconds = 7.5,
                Profile = [new ProfileEntry("head", 3, 0.5)], Forms = ["a", "b"],
            }],
        };
        BenchmarkResult read = BenchmarkResult.FromJson(full.ToJson());
        Assert.Equal(full.ToJson(), read.ToJson());
        Assert.Equal(full.ToMarkdown(), read.ToMarkdown());
        Assert.Throws<JsonException>(() => BenchmarkResult.FromJson("null"));
    }

    [Theory]
    [InlineData(1, 11)]
    [InlineData(2000, 5)]
    [InlineData(2500, 3)]
    [InlineData(60000, 1)]
    public void Repeats_are_odd_and_fit_the_patience(double milliseconds, int repeats) =>
        Assert.Equal(repeats, DeviceClock.Repeats(milliseconds, 10));

    [Fact]
    public void Parts_of_the_same_name_are_added()
    {
        IReadOnlyList<ProfileEntry> parts = StepProfiler.Sum(["a", "b", "a"], [1, 6, 2]);
        Assert.Equal([new ProfileEntry("b", 6, 6 / 9.0), new ProfileEntry("a", 3, 3 / 9.0)], parts);
    }

    [Fact]
    public void What_cannot_be_measured_is_refused()
    {
        var cpu = new BenchmarkPlan { Device = "cpu" };
        Assert.Equal((BenchmarkPlan.Small, 2 * Enum.GetValues<AttentionKind>().Length),
            (cpu.Resolve().Spec.Name, cpu.Resolve().Variants.Count));
        foreach (BenchmarkPlan wrong in (BenchmarkPlan[])
            [cpu with { Frames = 4 }, cpu with { Preset = "wan2.1-t2v-14b" }, cpu with { Preset = "none" }, cpu with { TopK = 0 },
                cpu with { Patience = -1 }, cpu with { Seconds = 0 },
             cpu with { BaselineScript = "baseline.py" }, cpu with { Kernels = [KernelUse.All] }])
            Assert.Throws<InvalidRequestException>(wrong.Resolve);
        Assert.SkipWhen(cuda.is_available(), "this machine has a GPU");
        Assert.Contains("--device cpu", Assert.Throws<EnvironmentException>(new BenchmarkPlan().Resolve).Message);
    }

    [Fact]
    public void The_cpu_measures_the_small_model()
    {
        var written = new List<BenchmarkResult>();
        BenchmarkResult result = BenchmarkRunner.Run(new BenchmarkPlan
        {
            Device = "cpu", Patience = 0, Profile = true, Compare = true, Attention = [AttentionKind.Sla],
        },
            new Progress<string>(), written.Add, CancellationToken.None);
        Assert.Equal(32, result.Tokens);
        Assert.Equal([WeightFormat.Float, WeightFormat.Int8], result.Rows.Select(r => r.Variant!.Weights));
        Assert.All(result.Rows, r => Assert.True(r is { StepMilliseconds: > 0, Repeats: 1, Failure: null }));
        foreach (BenchmarkRow row in result.Rows)
        {
            Assert.Equal(1, row.Profile.Sum(p => p.Share), 9);
            foreach (string part in new[] { "self_attn.q", "self_attn: norms, rotation, attention", "cross_attn.o, residual",
                "ffn.0, activation", "norm3", "head" })
                Assert.Single(row.Profile, p => p.Part == part);
        }
        PathDifference difference = Assert.Single(result.Differences);
        Assert.Equal((4, 2), (difference.Steps.Count, difference.Blocks.Count));
        Assert.All([.. difference.Steps, .. difference.Blocks], d =>
        {
            Assert.InRange(d.RelativeL2, 1e-6, 0.1);
            // Of two vectors of about one length.
            Assert.InRange(d.Cosine, 1 - d.RelativeL2 * d.RelativeL2, 1);
        });
        Assert.Matches(
            @"\| block \| SLA, int8 weights, plain \| cosine \|\n\| --- \| --: \| --: \|\n\| 0 \| 0\.0\d+ \| 0\.99\d+ \|\n\| 1 \| ",
            result.ToMarkdown());
        Assert.Same(result, written[^1]);
    }

    [Fact]
    public void A_step_with_swapped_blocks_is_measured_beside_the_resident_one()
    {
        BenchmarkResult result = BenchmarkRunner.Run(new BenchmarkPlan
        {
            Device = "cpu", Patience = 0, Attention = [AttentionKind.Dense], Weights = [WeightFormat.Int8], Swapped = true,
        }, new Progress<string>(), _ => { }, CancellationToken.None);
        Assert.Equal([false, true], result.Rows.Select(r => r.Variant!.Swapped));
        Assert.All(result.Rows, r => Assert.True(r is { StepMilliseconds: > 0, Failure: null }));
        Assert.Matches(@"dense, int8 weights, plain, blocks swapped: \d+\.\d\d times the step of resident weights", result.ToMarkdown());
        Assert.Equal("card", Assert.Throws<InvalidRequestException>(
            () => new BenchmarkPlan { Device = "cpu", Card = Card.Find("12GB") }.Resolve()).Parameter);
    }

    [Fact]
    public void After_its_time_no_row_is_begun_and_every_row_is_written()
    {
        BenchmarkResult? last = null;
        int written = 0;
        BenchmarkRunner.Run(new BenchmarkPlan { Device = "cpu", Patience = 0, Seconds = 1e-9, Attention = [AttentionKind.Dense] },
            new Progress<string>(), soFar =>
        {
            last = soFar;
            written++;
        }, CancellationToken.None);
        Assert.Equal(3, written);
        Assert.All(last!.Rows, r => Assert.True(r is { StepMilliseconds: null, Failure: "not measured, the 0 seconds were over" }));
    }

    [Fact]
    public void A_difference_that_is_no_number_is_not_hidden()
    {
        using var scope = NewDisposeScope();
        Tensor one = ones(3, ScalarType.Float64), none = full(3, double.NaN, ScalarType.Float64);
        Assert.Equal(new Deviation(double.NaN, double.NaN), Deviation.Of(none, one));
        Deviation twice = Deviation.Of(2 * one, one), turned = Deviation.Of(tensor(new[] { 0.0, 1 }), tensor(new[] { 1.0, 0 }));
        Assert.Equal(1, twice.RelativeL2, 12);
        Assert.Equal(1, twice.Cosine, 12);
        Assert.Equal(Math.Sqrt(2), turned.RelativeL2, 12);
        Assert.Equal(0, turned.Cosine, 12);
    }

    [Fact]
    public void Random_weights_made_on_a_device_are_the_same_at_every_reading()
    {
        using var scope = NewDisposeScope();
        using var shape = new WanModel(new WanConfig(64, 128, 1, 1, textDim: 32, freqDim: 32), AttentionOptions.Sla(), WeightFormat.Float,
            Placement.Meta);
        using RandomCheckpoint weights = new(shape, 3) { Device = CPU }, again = new(shape, 3) { Device = CPU };
        const string Name = "blocks.0.self_attn.q.weight";
        Tensor first = weights.Read(Name), other = weights.Read("blocks.0.self_attn.k.weight");
        Assert.True(first.equal(weights.Read(Name)).all().item<bool>());
        _ = randn(5);
        Assert.True(first.equal(again.Read(Name)).all().item<bool>());
        Assert.False(first.equal(other).all().item<bool>());
        Assert.InRange(first.std().item<float>(), 0.9 / 8, 1.1 / 8);
    }

    [Fact]
    public void Kernels_are_chosen_within_a_scope()
    {
        using (KernelSwitch.Use(KernelUse.Products.Operators()))
        {
            Assert.True(KernelSwitch.Allows(KernelOperator.Int8Matmul));
            using (KernelSwitch.Use(KernelUse.None.Operators())) Assert.False(KernelSwitch.Allows(KernelOperator.Int8Matmul));
            Assert.True(KernelSwitch.Allows(KernelOperator.Int8Matmul));
            Assert.False(KernelSwitch.Allows(KernelOperator.RmsNormRotary));
        }
    }

    [Fact]
    public void The_baseline_gets_its_sizes_and_gives_rows()
    {
        var target = new BenchmarkTarget(ModelSpec.I2VA14B, new VideoSize(1280, 720), 81, CPU, []);
        Assert.Equal("baseline.py --dim 5120 --ffn-dim 13824 --heads 40 --layers 40 --in-dim 36 --size 1280x720 --frames 81 --device "
            + "cuda:0 --patience 2.5",
            string.Join(' ', PyTorchBaseline.Arguments(new BenchmarkPlan { BaselineScript = "baseline.py", Patience = 2.5 }, target)));
        Assert.EndsWith("--patience 2.5 --seconds 90", string.Join(' ',
            PyTorchBaseline.Arguments(new BenchmarkPlan { BaselineScript = "baseline.py", Patience = 2.5 }, target, 90.2)));
        const string Output = """
            something else
            {"torch": "2.11.0", "device": "a GPU", "tokens": 75600, "dim": 5120, "layers": 40, "rows": [
            """;
        const string Rows = """{"label": "eager", "ms": 11700.5, "repeats": 1, "peak_bytes": 40000000000, "failure": null}, """
            + """{"label": "compiled", "ms": null, "repeats": 0, "peak_bytes": null, "failure": "no compiler"}]}""";
        (string torch, IReadOnlyList<BenchmarkRow> rows) =
            PyTorchBaseline.Read(Output.TrimEnd() + Rows + "\n", target.Tokens, target.Spec.Transformer);
        Assert.Equal("2.11.0", torch);
        Assert.Equal(new BenchmarkRow { Label = "PyTorch: eager", StepMilliseconds = 11700.5, Repeats = 1, PeakBytes = 40_000_000_000 },
            rows[0] with { Profile = rows[0].Profile });
        Assert.Equal("no compiler", rows[1].Failure);
        Assert.Contains("75600", Assert.Throws<EnvironmentException>(() =>
            PyTorchBaseline.Read(Output.TrimEnd() + Rows, 1, target.Spec.Transformer)).Message);
        Assert.Throws<EnvironmentException>(() => PyTorchBaseline.Read("killed", 1, target.Spec.Transformer));
    }

    [Fact]
    public void The_baseline_has_the_presets_sizes()
    {
        string script = File.ReadAllText(Path.Combine(Repository.Root, "tests", "TurboDiffusion.Benchmarks", "baseline.py"));
        foreach ((string name, WanConfig config) in ModelSpec.All.Where(s => s.ImageEncoder is null).Select(s => (s.Name, s.Transformer)))
            Assert.Contains($"\"{name.ToLowerInvariant()}\": ({config.Dim}, {config.FfnDim}, {config.NumHeads}, {config.NumLayers}, "
                + $"{config.InDim})", script);
    }

    private static BenchmarkRow Row(BenchmarkVariant variant, double ms) =>
        new() { Label = variant.Label, Variant = variant, StepMilliseconds = ms, Repeats = 3 };
}
