using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Attention;

/// <summary>The sequence of kernels of sparse-linear attention against float32.</summary>
[Trait("Category", "Gpu")]
public class AttentionKernelsTests
{
    [Theory]
    [InlineData(AttentionKind.SageSla, 1, 1, 1, 64, 128, false)]
    [InlineData(AttentionKind.SageSla, 2, 300, 3, 64, 128, false)]
    [InlineData(AttentionKind.SageSla, 2, 300, 3, 64, 128, true)]
    [InlineData(AttentionKind.SageSla, 1, 1000, 12, 64, 128, false)]
    [InlineData(AttentionKind.SageSla, 1, 1000, 2, 128, 64, false)]
    [InlineData(AttentionKind.SageSla, 1, 1000, 40, 64, 128, true)]
    [InlineData(AttentionKind.Sla, 1, 1, 1, 128, 64, false)]
    [InlineData(AttentionKind.Sla, 2, 300, 3, 128, 64, false)]
    [InlineData(AttentionKind.Sla, 1, 1000, 12, 128, 64, false)]
    public void Projections_become_what_the_plain_form_makes_of_them(AttentionKind kind, int batch, int length, int heads,
        int queryBlock, int keyBlock, bool portable)
    {
        // SLA has a kernel for Hopper alone.
        Device device = kind == AttentionKind.Sla ? KernelConformance.RequireSm90() : KernelConformance.RequireGpu();
        KernelForm form = portable ? KernelForm.Portable : Form(kind, queryBlock, keyBlock);
        double tolerance = kind == AttentionKind.Sla ? 1e-2 : 0.05;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        AttentionOptions options = kind == AttentionKind.Sla
            ? AttentionOptions.Sla(1, queryBlock, keyBlock)
            : AttentionOptions.SageSla(1, queryBlock, keyBlock);
        using RotaryEmbedding rotary = RotaryEmbedding.Create(128, 1, length, 1, device);
        Tensor Random(ulong seed, params long[] shape) => KernelConformance.Random(device, seed, ScalarType.BFloat16, shape);
        QueryKeyTransform t = new(Random(1, heads * 128), Random(2, heads * 128), rotary, 1e-6);
        Tensor wide = Random(3, batch, length, 3 * heads * 128);
        Tensor[] parts = wide.chunk(3, 2);
        (Tensor, Tensor) projection = (Random(4, 128, 128).to_type(ScalarType.Float32), Random(5, 128).to_type(ScalarType.Float32));

        (Tensor q, Tensor k) = RmsNormRotaryKernel.Run(parts[0], parts[1], t.QueryWeight, t.KeyWeight, rotary.Cosines,
            rotary.Sines, 128, 1e-6);
        Tensor v = parts[2].unflatten(2, [-1, 128]);
        Tensor sparse = BlockSparseAttention.Attend(q, k, v, BlockSelection.Select(q, k, options), options);
        Tensor linear = nn.functional.linear(LinearAttention.Attend(q, k, v), projection.Item1, projection.Item2);
        KernelConformance.PoisonMemory(device);
        Tensor actual = AttentionKernels.Attend(parts[0], parts[1], parts[2], t, options, projection, form);
        Assert.Equal(ScalarType.BFloat16, actual.dtype);
        Comparison.RelativeL2(sparse + linear, actual, tolerance, "from projections");
        Comparison.RelativeL2(sparse + linear,
            AttentionKernels.Attend(q.flatten(2), k.flatten(2), parts[2], null, options, projection, form), tolerance, "from q and k");
    }

    [Fact]
    public void Both_forms_choose_the_same_blocks()
    {
        Device device = KernelConformance.RequireGpu();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        AttentionOptions options = AttentionOptions.SageSla(0.3);
        Tensor Random(ulong seed) => KernelConformance.Random(device, seed, ScalarType.BFloat16, 1, 3000, 4 * 128);
        (Tensor, Tensor) projection = (zeros([128, 128], device: device), zeros(128, device: device));
        Tensor q = Random(1), k = Random(2), v = Random(3);
        Comparison.RelativeL2(AttentionKernels.Attend(q, k, v, null, options, projection, KernelForm.Portable),
            AttentionKernels.Attend(q, k, v, null, options, projection, Form(options.Kind, options.QueryBlock, options.KeyBlock)), 0.05,
            "portable");
    }

    // The GPU's own kernels, where it has some for the blocks.
    private static KernelForm Form(AttentionKind kind, int queryBlock, int keyBlock) => AttentionKernels.Choose(
        KernelMachine.Best(0), new(1, 1000, 2, 128, queryBlock, keyBlock, ScalarType.BFloat16, Kind: kind)).Form;
}
