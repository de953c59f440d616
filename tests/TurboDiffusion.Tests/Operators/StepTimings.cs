using System.Diagnostics;
using System.Globalization;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Sampling;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators;

/// <summary>Prints the time of denoising steps of the 1.3B model, 480p, 81 frames, random weights, with the kernels on.</summary>
[Trait("Category", "Gpu")]
public class StepTimings
{
    [Theory]
    [InlineData(AttentionKind.SageSla, WeightFormat.Int8, 512)]
    [InlineData(AttentionKind.SageSla, WeightFormat.Int8, 77)]
    [InlineData(AttentionKind.Sla, WeightFormat.Int8, 77)]
    [InlineData(AttentionKind.Sage, WeightFormat.Int8, 512)]
    [InlineData(AttentionKind.Dense, WeightFormat.Int8, 512)]
    [InlineData(AttentionKind.Dense, WeightFormat.Float, 512)]
    public void One_step_of_the_small_model(AttentionKind attention, WeightFormat weights, int words)
    {
        Device device = KernelConformance.RequireGpu();
        using IDisposable kernels = KernelSwitch.Use(Enum.GetValues<KernelOperator>());
        Assert.SkipUnless(KernelMachine.Best(0).IsKernel, $"{KernelMachine.Best(0)}");
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        WanConfig config = ModelSpec.T2V1_3B.Transformer;
        using WanModel model = Random(config, AttentionOptions.Of(attention), weights, device);
        Tensor latents = randn([1, 16, 21, 60, 104], device: device), time = full(1, 900.0, ScalarType.Float64, device);
        // A prompt is padded with zeros.
        Tensor embedding = randn([1, 512, 4096], ScalarType.BFloat16, device);
        embedding.narrow(1, words, 512 - words).zero_();
        using CrossContext text = model.PrepareContext(embedding);
        double ms = CudaTimer.Median(device, () => model.Forward(latents, time, text).Dispose(), warmUp: 1, repeats: 3);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"STEP 1.3B 480p, {attention} attention, {weights} weights, a text of {words} tokens: {ms:0.0} ms"));
    }

    // Of generations one after another: what is not a step's, and whether the first ones are slower.
    [Fact]
    public void Denoising_part_by_part()
    {
        Device device = KernelConformance.RequireGpu();
        using IDisposable kernels = KernelSwitch.Use(Enum.GetValues<KernelOperator>());
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        WanConfig config = ModelSpec.T2V1_3B.Transformer;
        using WanModel model = Random(config, AttentionOptions.SageSla(), WeightFormat.Int8, device);
        Tensor embedding = randn([1, 512, 4096], ScalarType.BFloat16, device);
        embedding.narrow(1, 77, 512 - 77).zero_();
        for (int generation = 1; generation <= 8; generation++)
        {
            using var ofGeneration = NewDisposeScope();
            var parts = new List<string>();
            var clock = Stopwatch.StartNew();
            T Part<T>(string name, Func<T> run)
            {
                clock.Restart();
                T result = run();
                double queued = clock.Elapsed.TotalMilliseconds;
                cuda.synchronize();
                parts.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {clock.Elapsed.TotalMilliseconds:0.0} ({queued:0.0})"));
                return result;
            }

            Tensor noise = Part("noise", () => new PhiloxNoise(1).Normal(1, 16, 21, 60, 104)),
                latents = Part("to the GPU", () => noise.to(device)), time = full(1, 900.0, ScalarType.Float64, device);
            using CrossContext text = Part("text", () => model.PrepareContext(embedding));
            using RotaryEmbedding rotary = Part("rotations", () => model.Rotations(latents.shape));
            for (int step = 1; step <= 4; step++)
                Part($"step {step}", () => model.Forward(latents, time, text, rotary: rotary)).Dispose();
            Console.WriteLine($"STEP generation {generation}, ms (until all was queued): {string.Join(", ", parts)}");
        }
    }

    private static WanModel Random(WanConfig config, AttentionOptions attention, WeightFormat weights, Device device)
    {
        var model = new WanModel(config, attention, weights, new Placement(device, ScalarType.BFloat16));
        foreach (var parameter in model.parameters())
        {
            if (parameter.dtype == ScalarType.Int8) parameter.random_(-127, 128);
            else parameter.normal_(0, 0.02);
        }
        return model;
    }
}
