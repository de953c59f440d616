using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Pipelines;

public class DenoiserTests
{
    private const double Boundary = 0.9;

    [Theory]
    [InlineData(950, 0, 3.5, 3.5)]
    [InlineData(950, 0, 3, 4)]
    [InlineData(950, 0, 3, 1)]
    [InlineData(900, 0, 3, 4)]
    [InlineData(899, 1, 3, 4)]
    [InlineData(300, 1, 1, 4)]
    [InlineData(300, 1, 3.5, 3.5)]
    public void Guidance_leads_away_from_the_negative_prompt_with_the_expert_of_the_noise_level(double timestep, int expert, double low,
        double high)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using WanModel first = Model(1), second = Model(2);
        Tensor x = Normal(3, 1, 16, 2, 4, 6), prompt = Normal(4, 1, 5, 24), negative = Normal(5, 1, 5, 24);
        using var denoiser = new Denoiser([Slot(first), Slot(second)], Boundary, prompt, negative, new GuidanceScale(low, high));

        (WanModel serving, double scale) = expert == 0 ? (first, high) : (second, low);
        Tensor v = Velocity(serving, prompt), away = Velocity(serving, negative);
        Comparison.Elementwise(away + scale * (v - away), denoiser.Velocity(x, timestep, 0, default), 1e-5, 1e-5,
            $"guided velocity at {timestep}");

        Tensor Velocity(WanModel model, Tensor text) => model.Forward(x, tensor(new[] { (float)timestep }), model.PrepareContext(text));
    }

    [Fact]
    public void Without_guidance_the_velocity_is_the_models()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using WanModel model = Model(1);
        Tensor x = Normal(3, 1, 16, 2, 4, 6), prompt = Normal(4, 1, 5, 24);
        using var denoiser = new Denoiser([Slot(model)], 0, prompt);
        Comparison.Exact(model.Forward(x, tensor(new[] { 700f }), model.PrepareContext(prompt)), denoiser.Velocity(x, 700, 0, default),
            "velocity");
    }

    private static Tensor Normal(ulong seed, params long[] shape) => randn(shape, generator: new Generator(seed));

    private static ModelSlot<WanModel> Slot(WanModel model) => new((_, _) => model, keepLoaded: true);

    private static WanModel Model(ulong seed)
    {
        var model = new WanModel(new WanConfig(32, 48, 2, 1, textDim: 24, freqDim: 32), AttentionOptions.Dense, WeightFormat.Float,
            Placement.Cpu);
        StrictLoader.Load(model, new RandomCheckpoint(model, seed));
        return model;
    }
}
