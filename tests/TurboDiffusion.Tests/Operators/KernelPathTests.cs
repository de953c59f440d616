using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Int8;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators;

/// <summary>The kernels as a whole, on a GPU.</summary>
[Trait("Category", "Gpu")]
public class KernelPathTests
{
    [Fact]
    public void A_kernel_that_does_not_compile_says_why()
    {
        KernelConformance.RequireGpu();
        var error = Assert.Throws<KernelCompilationException>(() =>
            Nvrtc.Instance!.Compile(new KernelProgram("wrong"), "sm_80",
                new Dictionary<string, string> { ["wrong.cu"] = "__global__ void wrong() { nothing; }" }));
        Assert.Contains("nothing", error.Log);
        Assert.Equal("sm_80", error.Architecture);
    }

    [Fact]
    public void A_published_model_runs_in_the_GPUs_own_kernels()
    {
        KernelConformance.RequireSm90();
        using IDisposable kernels = KernelSwitch.Use(Enum.GetValues<KernelOperator>());
        IReadOnlyList<OperatorReportEntry> report = OperatorReport.Of(
            ModelSpec.T2V1_3B.Transformer.Block(32760, ScalarType.BFloat16), AttentionOptions.SageSla(), WeightFormat.Int8);
        foreach (OperatorReportEntry entry in report) Console.WriteLine(entry);
        Assert.All(report, e => Assert.True(e.Choice.IsKernel, e.ToString()));
        Assert.All(report.Where(e => e.Operator is KernelOperator.Int8Matmul or KernelOperator.Attention or KernelOperator.CrossAttention),
            e => Assert.Equal(KernelForm.Sm90, e.Choice.Form));
    }

    [Fact]
    public void No_kernel_spills_registers()
    {
        Device device = KernelConformance.RequireSm90();
        foreach (KernelProgram program in KernelPrograms.All)
        {
            KernelFunction function = KernelFunction.Of(CudaContext.Of(device), program);
            Console.WriteLine($"{program}: {function.Registers} registers, {function.LocalBytes} bytes of local memory");
        }
        Assert.All(KernelPrograms.All, program => Assert.Equal(0, KernelFunction.Of(CudaContext.Of(device), program).LocalBytes));
    }

    [Fact]
    public void A_small_int8_model_gives_the_same_velocity_with_and_without_kernels()
    {
        Device device = KernelConformance.RequireGpu();
        using IDisposable kernels = KernelSwitch.Use(Enum.GetValues<KernelOperator>());
        RequiredGpu.Check(KernelMachine.Best(0).IsKernel, $"{KernelMachine.Best(0)}");
        using var scope = NewDisposeScope();
        WanConfig config = new WanConfig(256, 640, 2, 2, textDim: 32, freqDim: 32);
        Tensor latents = KernelConformance.Random(CPU, 1, ScalarType.Float32, 1, config.InDim, 5, 16, 24);
        Tensor text = KernelConformance.Random(CPU, 2, ScalarType.Float32, 1, 16, config.TextDim);
        Tensor Run(Device where)
        {
            using var model = new WanModel(config, AttentionOptions.Dense, WeightFormat.Int8, new Placement(where, ScalarType.Float32));
            using var shapes = new WanModel(config, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
            StrictLoader.Load(model, new QuantizedCheckpoint(new RandomCheckpoint(shapes, 4), WanCheckpoint.Int8Layers));
            using var noGradient = no_grad();
            using CrossContext prepared = model.PrepareContext(text.to(where));
            return model.Forward(latents.to(where), tensor(new[] { 700.0 }, device: where), prepared).cpu();
        }

        double error = Comparison.RelativeL2(Run(CPU), Run(device), 2e-2, "velocity");
        Console.WriteLine($"small int8 model, kernels against the plain form: relative L2 {error:G3}");
    }
}
