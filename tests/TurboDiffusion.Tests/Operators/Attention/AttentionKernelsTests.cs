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
    [KernelCase(AttentionKind.SageSla, 1, 1, 1, 64, 128, false)]
    [KernelCase(AttentionKind.SageSla, 2, 300, 3, 64, 128, false)]
    [KernelCase(AttentionKind.SageSla, 2, 300, 3, 64, 128, true, GpuOnly = true)]
    [KernelCase(AttentionKind.SageSla, 1, 1000, 12, 64, 128, false, GpuOnly = true)]
    [KernelCase(AttentionKind.SageSla, 1, 1000, 2, 128, 64, false, GpuOnly = true)]
    [KernelCase(AttentionKind.SageSla, 1, 1000, 40, 64, 128, true, GpuOnly = true)]
    [KernelCase(AttentionKind.SageSla, 1, 200, 1, 128, 64, true)]
    [KernelCase(AttentionKind.Sage, 1, 1, 1, 64, 128, false)]
    [KernelCase(AttentionKind.Sage, 2, 300, 3, 64, 128, false)]
    [KernelCase(AttentionKind.Sage, 2, 300, 3, 64, 128, true, GpuOnly = true)]
    [KernelCase(AttentionKind.Sage, 1, 1000, 12, 64, 128, false, GpuOnly = true)]
    [KernelCase(AttentionKind.Sla, 1, 1, 1, 128, 64, false)]
    [KernelCase(AttentionKind.Sla, 2, 300, 3, 128, 64, false)]
    [KernelCase(AttentionKind.Sla, 1, 1000, 12, 128, 64, false, GpuOnly = true)]
    public void Projections_become_what_the_plain_form_makes_of_them(TestMachine machine, AttentionKind kind, int batch, int length,
        int heads, int queryBlock, int keyBlock, bool portable)
    {
        // SLA has a kernel for Hopper alone.
        using TestDevice on = TestDevice.Of(machine, kind == AttentionKind.Sla ? KernelForm.Sm90 : KernelForm.Portable);
        Device device = on.Device;
        KernelForm form = portable ? KernelForm.Portable : Form(machine, kind, queryBlock, keyBlock);
        double tolerance = kind == AttentionKind.Sla ? 1e-2 : 0.05;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        AttentionOptions options = kind switch
        {
            AttentionKind.Sla => AttentionOptions.Sla(1, queryBlock, keyBlock),
            AttentionKind.SageSla => AttentionOptions.SageSla(1, queryBlock, keyBlock),
            _ => AttentionOptions.Of(kind),
        };
        using RotaryEmbedding rotary = RotaryEmbedding.Create(128, 1, length, 1, device);
        Tensor Random(ulong seed, params long[] shape) => KernelConformance.Random(device, seed, ScalarType.BFloat16, shape);
        QueryKeyTransform t = new(Random(1, heads * 128), Random(2, heads * 128), rotary, 1e-6);
        Tensor wide = Random(3, batch, length, 3 * heads * 128);
        Tensor[] parts = wide.chunk(3, 2);
        (Tensor Weight, Tensor Bias)? projection = options.IsSparse
            ? (Random(4, 128, 128).to_type(ScalarType.Float32), Random(5, 128).to_type(ScalarType.Float32))
            : null;

        (Tensor q, Tensor k) = RmsNormRotaryKernel.Run(parts[0], parts[1], t.QueryWeight, t.KeyWeight, rotary.Cosines,
            rotary.Sines, 128, 1e-6);
        Tensor v = parts[2].unflatten(2, [-1, 128]);
        Tensor expected = BlockSparseAttention.Attend(q, k, v, BlockSelection.Select(q, k, options), options);
        if (projection is { } mixing) expected += nn.functional.linear(LinearAttention.Attend(q, k, v), mixing.Weight, mixing.Bias);
        KernelConformance.PoisonMemory(device);
        Tensor actual = AttentionKernels.Attend(parts[0], parts[1], parts[2], t, options, projection, form);
        Assert.Equal(ScalarType.BFloat16, actual.dtype);
        Comparison.RelativeL2(expected, actual, tolerance, "from projections");
        Comparison.RelativeL2(expected,
            AttentionKernels.Attend(q.flatten(2), k.flatten(2), parts[2], null, options, projection, form), tolerance, "from q and k");
    }

    [Theory]
    [KernelCase(500, 1)]
    [KernelCase(3000, 4, GpuOnly = true)]
    public void Every_form_chooses_the_same_blocks(TestMachine machine, int length, int heads)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        AttentionOptions options = AttentionOptions.SageSla(0.3);
        Tensor Random(ulong seed) => KernelConformance.Random(device, seed, ScalarType.BFloat16, 1, length, heads * 128);
        (Tensor, Tensor) projection = (zeros([128, 128], device: device), zeros(128, device: device));
        Tensor q = Random(1), k = Random(2), v = Random(3);
        KernelForm form = Form(machine, options.Kind, options.QueryBlock, options.KeyBlock);
        Tensor portable = AttentionKernels.Attend(q, k, v, null, options, projection, KernelForm.Portable);
        Comparison.RelativeL2(portable, AttentionKernels.Attend(q, k, v, null, options, projection, form), 0.05, "the machine's own");
    }

    [Theory]
    [KernelCase]
    public void Tokens_whose_channels_are_no_neighbours_are_refused(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine);
        using var scope = NewDisposeScope();
        Tensor Zeros(params long[] shape) => zeros(shape, ScalarType.BFloat16, on.Device);
        Tensor rows = Zeros(1, 64, 128), columns = Zeros(1, 128, 64).transpose(1, 2);
        SageKeysKernel.Result Keys(Tensor k, Tensor v) => SageKeysKernel.Run(k, v, Zeros(1, 1, 1, 128), null, default, 128, fp8: false);
        Assert.Contains("strides", Assert.Throws<ArgumentException>(() => Keys(columns, rows)).Message, StringComparison.Ordinal);
        Assert.Contains("strides", Assert.Throws<ArgumentException>(() => Keys(rows, columns)).Message, StringComparison.Ordinal);
        Keys(rows, SageOperand.Rows(columns));
    }

    // The machine's own kernels, where it has some for the blocks.
    private static KernelForm Form(TestMachine machine, AttentionKind kind, int queryBlock, int keyBlock) => AttentionKernels.Choose(
        machine == TestMachine.Gpu ? KernelMachine.Best(0) : new(KernelForm.Sm90, "the emulator"),
        new(1, 1000, 2, 128, queryBlock, keyBlock, ScalarType.BFloat16, Kind: kind)).Form;
}
