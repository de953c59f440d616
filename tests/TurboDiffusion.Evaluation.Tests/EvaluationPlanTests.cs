using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Sampling;
using Xunit;

namespace TurboDiffusion.Evaluation.Tests;

public sealed class EvaluationPlanTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-plan-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Files_are_relative_to_the_plan()
    {
        EvaluationPlan plan = Load("""
            {
              // Comments are welcome.
              "vae": "vae.safetensors", "textEncoder": "/models/text.safetensors", "tokenizer": "data/spiece.model", "prompts": 10,
              "variants": [{ "label": "a", "transformer": "runs/a.safetensors", "sampler": "uniPc", "steps": 50, "guidance": 5,
                "attention": "sageSla", "topK": 0.1, "weights": "int8" }],
            }
            """);
        Assert.Equal(Path.Combine(_folder, "vae.safetensors"), plan.Vae);
        Assert.Equal("/models/text.safetensors", plan.TextEncoder);
        Assert.Equal((10, 50, 192, 112, 33), (plan.Prompts, plan.TwoObjectPrompts, plan.Width, plan.Height, plan.Frames));
        EvaluationVariant variant = Assert.Single(plan.Variants);
        Assert.Equal(Path.Combine(_folder, "runs/a.safetensors"), variant.Transformer);
        Assert.Equal((SamplerKind.UniPc, AttentionKind.SageSla, WeightFormat.Int8), (variant.Sampler, variant.Attention, variant.Weights));
        Assert.Equal("a", plan.Files(variant).Name);
    }

    [Theory]
    [InlineData("""{ "prompt": 3 }""")]
    [InlineData("""{ "variants": [{ "transformer": "a" }] }""")]
    [InlineData("""{ "variants": [{ "label": "a", "sampler": "best" }] }""")]
    [InlineData("null")]
    [InlineData("")]
    public void What_is_no_plan_is_refused(string json) =>
        Assert.Equal("plan", Assert.Throws<InvalidRequestException>(() => Load(json)).Parameter);

    [Fact]
    public void Numbers_out_of_range_are_refused()
    {
        var plan = new EvaluationPlan();
        plan.Check();
        foreach (EvaluationPlan wrong in (EvaluationPlan[])
            [plan with { Batch = 0 }, plan with { Prompts = -1 }, plan with { Frames = 5 }, plan with { Prompts = 1, TwoObjectPrompts = 0 },
                plan with { Dtype = "int4" },
                plan with { Variants = [new() { Label = "a" }, new() { Label = "a" }] }])
            Assert.Throws<InvalidRequestException>(wrong.Check);
    }

    // Teacher, guided student and student by steps; halfway between the two; this, turbo and merged by the share of key blocks; turbo by
    // steps, and by the share taken back. The size of the blocks belongs to the model: a plan of its own.
    [Theory]
    [InlineData("quality.json", 4 + 4 + 4 + 2 + 3 * 5 + 7 + 6)]
    [InlineData("quality-64.json", 5)]
    public void The_plans_of_the_shapes_model_are_such(string file, int variants)
    {
        EvaluationPlan plan = EvaluationPlan.Load(Path.Combine(Repository.Root, "samples", "ShapesModel", file));
        plan.Check();
        Assert.Equal(variants, plan.Variants.Count);
        Assert.All(plan.Variants, v => Assert.True(v is { Transformer: not null, Sampler: not null, Steps: not null, Guidance: not null,
            Attention: not null, Weights: not null }));
    }

    private EvaluationPlan Load(string json)
    {
        string path = Path.Combine(_folder, "plan.json");
        File.WriteAllText(path, json);
        return EvaluationPlan.Load(path);
    }
}
