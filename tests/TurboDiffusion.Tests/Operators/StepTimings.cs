using System.Globalization;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators;

/// <summary>Prints the time of one denoising step of the 1.3B model, 480p, 81 frames, random weights, with the kernels on.</summary>
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
        using var model = new WanModel(config, AttentionOptions.Of(attention), weights, new Placement(device, ScalarType.BFloat16));
        foreach (var parameter in model.parameters())
        {
            if (parameter.dtype == ScalarType.Int8) parameter.random_(-127, 128);
            else parameter.normal_(0, 0.02);
        }
        Tensor latents = randn([1, 16, 21, 60, 104], device: device), time = full(1, 900.0, ScalarType.Float64, device);
        // A prompt is padded with zeros.
        Tensor embedding = randn([1, 512, 4096], ScalarType.BFloat16, device);
        embedding.narrow(1, words, 512 - words).zero_();
        using CrossContext text = model.PrepareContext(embedding);
        double ms = CudaTimer.Median(device, () => model.Forward(latents, time, text).Dispose(), warmUp: 1, repeats: 3);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"STEP 1.3B 480p, {attention} attention, {weights} weights, a text of {words} tokens: {ms:0.0} ms"));
    }
}
