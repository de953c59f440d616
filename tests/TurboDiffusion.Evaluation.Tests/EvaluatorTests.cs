using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Sampling;
using TurboDiffusion.ShapeWorld;
using TurboDiffusion.ShapeWorld.Recognition;
using Xunit;

namespace TurboDiffusion.Evaluation.Tests;

public sealed class EvaluatorTests(SmallModelFixture small)
{
    // Of the smallest clips that can be read; the model's weights are random, so none of its clips is right.
    private EvaluationPlan Plan => new()
    {
        Model = small.Folder,
        Device = "cpu",
        Prompts = 3,
        TwoObjectPrompts = 2,
        ReferenceClips = 20,
        Batch = 2,
        Width = 64,
        Height = 48,
        Frames = 9,
        LatencyRuns = 1,
        Variants =
        [
            new() { Label = "teacher", Sampler = SamplerKind.UniPc, Steps = 3, Guidance = 4, Attention = AttentionKind.Dense },
            new() { Label = "turbo", Steps = 1, Attention = AttentionKind.SageSla, TopK = 0.25, Weights = WeightFormat.Int8 },
        ],
    };

    [Fact]
    public void Every_row_is_measured_and_written()
    {
        var clips = new List<(string Label, EvaluatedClip Clip)>();
        var partial = new List<int>();

        EvaluationResult result = Evaluator.Run(Plan, (label, clip) => clips.Add((label, clip)), r => partial.Add(r.Rows.Count));

        Assert.Equal(["real clips", "real clips through the VAE", "teacher", "turbo"], result.Rows.Select(r => r.Label));
        Assert.Equal([1, 2, 3, 4], partial);
        Assert.Equal(4 * 5, clips.Count);
        Assert.All(result.Rows, row =>
        {
            Assert.Equal((3, 2, 5), (row.OneObject!.Clips, row.TwoObjects!.Clips, row.Clips.Count));
            Assert.True(double.IsFinite(row.Frechet!.Value));
        });
        Assert.All(result.Rows.Skip(2), row =>
        {
            Assert.True(row.Latency is { Denoising: > 0, Decoding: > 0, Runs: 1 });
            Assert.Equal(0, row.OneObject!.All);
            Assert.True(row.Frechet > result.Rows[0].Frechet);
        });
        EvaluationVariant turbo = result.Rows[3].Variant!;
        Assert.Equal((SamplerKind.Rcm, 1, GuidanceScale.None, AttentionKind.SageSla, 0.25, WeightFormat.Int8),
            (turbo.Sampler, turbo.Steps, turbo.Guidance, turbo.Attention, turbo.TopK, turbo.Weights));
        string[] table = result.ToMarkdown().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(6, table.Length);
        Assert.Single(table.Select(line => line.Count(c => c == '|')).Distinct());
        Assert.EndsWith("| 1.0 |", table[4]);
        Assert.Equal(result.ToJson(), EvaluationResult.FromJson(result.ToJson()).ToJson());
    }

    [Fact]
    public void Without_prompts_only_latencies_are_measured()
    {
        EvaluationResult result = Evaluator.Run(Plan with { Prompts = 0, TwoObjectPrompts = 0 });

        Assert.Equal(["teacher", "turbo"], result.Rows.Select(r => r.Label));
        Assert.All(result.Rows, row => Assert.True(row is { Latency: not null, OneObject: null, Frechet: null }));
        Assert.DoesNotContain("Fréchet", result.ToMarkdown());
    }

    [Fact]
    public void A_wrong_file_of_any_variant_is_found_before_the_work()
    {
        EvaluationPlan plan = Plan with
        {
            Variants = [Plan.Variants[0], new() { Label = "missing", Transformer = Path.Combine(small.Folder, "none.safetensors") }],
        };
        Assert.Throws<CheckpointException>(() => Evaluator.Run(plan, row: _ => Assert.Fail("There was work.")));
        Assert.Throws<InvalidRequestException>(() =>
            Evaluator.Run(Plan with { Variants = [new() { Label = "many", Sampler = SamplerKind.Rcm, Steps = 9 }] }));
    }

    [Fact]
    public void Cancelling_ends_the_evaluation()
    {
        using var cancellation = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() =>
            Evaluator.Run(Plan, (label, _) => { if (label == "teacher") cancellation.Cancel(); }, cancellationToken: cancellation.Token));
    }

    [Fact]
    public void Prompts_are_held_out_and_the_same_for_a_seed()
    {
        IReadOnlyList<EvaluationPrompt> prompts = EvaluationPrompt.HeldOut(200, 50, 1);

        Assert.Equal(prompts, EvaluationPrompt.HeldOut(200, 50, 1));
        Assert.NotEqual(prompts, EvaluationPrompt.HeldOut(200, 50, 2));
        Assert.All(prompts.Take(200), p => Assert.Single(p.Scene.Objects));
        Assert.All(prompts.Skip(200), p => Assert.Equal(2, p.Scene.Objects.Count));
        Assert.All(prompts, p => Assert.True(HeldOut.Contains(p.Scene)));
        Assert.Equal(250, prompts.Select(p => p.Seed).Distinct().Count());
        Assert.Equal(prompts.Take(3), EvaluationPrompt.HeldOut(3, 0, 1));
    }

    [Fact]
    public void Scores_are_shares()
    {
        AttributeScores scores = AttributeScores.Of(
        [
            new SceneScore(true, true, true, true), new SceneScore(true, false, true, true), new SceneScore(false, false, true, true),
                new SceneScore(false, false, true, false),
        ]);
        Assert.Equal(new AttributeScores(4, 0.5, 0.25, 1, 0.75, 0.25), scores);
    }
}
