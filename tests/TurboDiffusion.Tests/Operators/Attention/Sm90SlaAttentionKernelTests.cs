using System.Globalization;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Attention;

/// <summary>sm90_sla_attention: each branch against float32, and their sum.</summary>
[Trait("Category", "Gpu")]
public class Sm90SlaAttentionKernelTests
{
    // P is rounded to bfloat16, and so is y.
    private const double Tolerance = 5e-3;

    private static readonly AttentionOptions Options = AttentionOptions.Sla(1);

    [Theory]
    [KernelCase(1, 1, 1, 1)]
    [KernelCase(1, 64, 1, 1)]
    [KernelCase(1, 128, 2, 2)]
    [KernelCase(1, 129, 1, 3)]
    [KernelCase(2, 300, 3, 2)]
    [KernelCase(1, 1000, 2, 16, GpuOnly = true)]
    [KernelCase(1, 2000, 2, 3, GpuOnly = true)]
    [KernelCase(1, 4096, 12, 64, GpuOnly = true)]
    public void The_sparse_branch_is_that_of_float32(TestMachine machine, int batch, int length, int heads, int count)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, batch, length, heads, count);
        double error = Comparison.RelativeL2(BlockSparseAttention.Attend(p.Q, p.K, p.V, p.Kept, Options),
            Run(p, zeros_like(p.Mix), zeros_like(p.Bias)), Tolerance, $"L {length}, {heads} heads, {count} blocks");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"sm90 SLA, L {length}, kept {count}: error against float32 {error:G3}"));
    }

    [Theory]
    [KernelCase(1, 1, 1)]
    [KernelCase(2, 300, 3)]
    [KernelCase(1, 1000, 2)]
    public void The_linear_branch_is_that_of_the_plain_form(TestMachine machine, int batch, int length, int heads)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, batch, length, heads, 1);
        // Without values, the sparse branch is zero.
        Comparison.RelativeL2(AttentionKernels.AttendLinear(p.Queries.Features, (p.Mix, p.Keys.Sums.sum(2)), p.Bias),
            Run(p with { V = zeros_like(p.V) }, p.Mix, p.Bias), Tolerance, "linear branch");
    }

    [Theory]
    [KernelCase]
    public void The_branches_are_added(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, 1, 700, 2, 4);
        Tensor sparse = Run(p, zeros_like(p.Mix), zeros_like(p.Bias)).to_type(ScalarType.Float32);
        Comparison.RelativeL2(sparse + AttentionKernels.AttendLinear(p.Queries.Features, (p.Mix, p.Keys.Sums.sum(2)), p.Bias),
            Run(p, p.Mix, p.Bias), Tolerance, "sum");
    }

    [Theory]
    [KernelCase]
    public void Large_scores_do_not_overflow(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, 1, 500, 2, 4, 50);
        Comparison.RelativeL2(BlockSparseAttention.Attend(p.Q, p.K, p.V, p.Kept, Options),
            Run(p, zeros_like(p.Mix), zeros_like(p.Bias)), 2e-2, "float32");
    }

    [Theory]
    [KernelCase]
    public void Values_may_be_a_part_of_a_wider_projection(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, 2, 300, 3, 2);
        Tensor part = cat([ones_like(p.V), p.V, ones_like(p.V)], 2).narrow(2, 3, 3);
        Comparison.Exact(Run(p, p.Mix, p.Bias), Run(p with { V = part }, p.Mix, p.Bias), "part");
    }

    [Fact]
    public void The_launch_has_the_registers_that_the_warpgroups_claim()
    {
        Device device = KernelConformance.RequireSm90();
        (KernelProgram program, KernelLaunch launch) =
            Sm90SlaAttentionKernel.Configure(new(1, 1000, 1), CudaContext.Of(device).SharedBytes);
        KernelFunction function = KernelFunction.Of(CudaContext.Of(device), program);
        Assert.Equal(0, function.LocalBytes);
        // kProducerRegisters and kConsumerRegisters of the source.
        Assert.True(function.Registers * launch.Threads >= 40 * 128 + 232 * 256, $"{function.Registers} registers");
    }

    [Theory]
    [KernelCase(GpuOnly = true)]
    public void Equal_runs_are_equal(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, 1, 3000, 12, 9);
        Tensor first = Run(p, p.Mix, p.Bias);
        for (int i = 0; i < 5; i++) Comparison.Exact(first, Run(p, p.Mix, p.Bias), $"run {i}");
    }

    private static Problem Draw(Device device, int batch, int length, int heads, int count, double magnitude = 1)
    {
        Tensor Values(ulong seed) => KernelConformance.Random(device, seed, ScalarType.BFloat16, batch, length, heads, 128);
        Tensor q = Values(1) * 2 * magnitude, k = Values(2) * magnitude, v = Values(3);
        int queryBlocks = (length + 127) / 128, keyBlocks = (length + 63) / 64;
        Tensor kept =
            BlockSelection.Highest(KernelConformance.Random(device, 4, ScalarType.Float32, batch, heads, queryBlocks, keyBlocks), count);
        Tensor mix = KernelConformance.Random(device, 5, ScalarType.BFloat16, batch, heads, 128, 128) * length,
            bias = KernelConformance.Random(device, 6, ScalarType.Float32, 128);
        return new Problem(q, k, v, kept, SageQueriesKernel.Run(q.flatten(2), null, default, 128, ScalarType.BFloat16),
            SageKeysKernel.Run(k.flatten(2), v.flatten(2), SageQuantization.KeyMean(k), null, default, 64, false, ScalarType.BFloat16),
            mix, bias);
    }

    private static Tensor Run(Problem p, Tensor mix, Tensor bias)
    {
        KernelConformance.PoisonMemory(p.Q.device);
        return Sm90SlaAttentionKernel.Run(p.Queries, p.Keys, SageOperand.Rows(p.V.flatten(2)), p.Kept.to_type(ScalarType.Int32),
            (mix, p.Keys.Sums.sum(2)), bias);
    }

    private sealed record Problem(
        Tensor Q, Tensor K, Tensor V, Tensor Kept, SageQueriesKernel.Result Queries, SageKeysKernel.Result Keys, Tensor Mix, Tensor Bias);
}
