using System.Globalization;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Attention;

/// <summary>sm90_sage_attention: each branch against float32, and their sum.</summary>
public class Sm90SageAttentionKernelTests
{
    private static readonly AttentionOptions Options = AttentionOptions.SageSla(1);

    [Theory]
    [KernelCase(1, 1, 1, 1)]
    [KernelCase(1, 64, 1, 1)]
    [KernelCase(1, 128, 2, 1)]
    [KernelCase(2, 300, 3, 2)]
    [KernelCase(1, 1000, 2, 8, GpuOnly = true)]
    [KernelCase(1, 2000, 2, 3, GpuOnly = true)]
    [KernelCase(1, 4096, 12, 32, GpuOnly = true)]
    public void The_sparse_branch_is_no_further_off_than_the_plain_form(TestMachine machine, int batch, int length, int heads, int count)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, batch, length, heads, count);
        Tensor exact = BlockSparseAttention.Attend(p.Q, p.K, p.V, p.Kept, Options),
            plain = BlockSparseAttention.AttendSage(p.Q, p.K, p.V, p.Kept, Options);
        Tensor actual = Run(p, zeros_like(p.Mix), zeros_like(p.Bias));
        double plainError = Comparison.RelativeL2(exact, plain, 1, "plain form");
        // Where hardly anything is averaged, what is left is the rounding of v: per block here, per channel in the plain form,
        // which is exact for a single token.
        (_, Tensor scales) = SageQuantization.QuantizeValueBlocks(p.V, Options.KeyBlock);
        Tensor unscaled = BlockSelection.Blocks(p.V.to_type(ScalarType.Float32), Options.KeyBlock) / scales.unsqueeze(-1).unsqueeze(-1);
        double valueError = Comparison.RelativeL2(unscaled, Fp8.Round(unscaled), 1, "v in fp8");
        double error = Comparison.RelativeL2(exact, actual, Math.Max(plainError, valueError) * 1.05 + 3e-3,
            $"L {length}, {heads} heads, {count} blocks");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"sm90 sage attention, L {length}, kept {count}: error against float32 {error:G3}, plain form {plainError:G3}"));
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
        Problem empty = p with { Keys = p.Keys with { V = (zeros_like(p.Keys.V!.Value.Values), p.Keys.V.Value.Scales) } };
        Comparison.RelativeL2(AttentionKernels.AttendLinear(p.Queries.Features, (p.Mix, p.Keys.Sums.sum(2)), p.Bias),
            Run(empty, p.Mix, p.Bias), 5e-3, "linear branch");
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
            Run(p, p.Mix, p.Bias), 5e-3, "sum");
    }

    [Theory]
    [KernelCase]
    public void Large_scores_do_not_overflow(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, 1, 500, 2, 4, 50);
        Tensor plain = BlockSparseAttention.AttendSage(p.Q, p.K, p.V, p.Kept, Options);
        Comparison.RelativeL2(plain, Run(p, zeros_like(p.Mix), zeros_like(p.Bias)), 0.1, "plain form");
    }

    [Fact]
    [Trait("Category", "Gpu")]
    public void The_launch_has_the_registers_that_the_warpgroups_claim()
    {
        Device device = KernelConformance.RequireSm90();
        (KernelProgram program, KernelLaunch launch) =
            Sm90SageAttentionKernel.Configure(new(1, 1000, 1), CudaContext.Of(device).SharedBytes);
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
        Problem p = Draw(on.Device, 1, 3000, 12, 6);
        Tensor first = Run(p, p.Mix, p.Bias);
        for (int i = 0; i < 5; i++) Comparison.Exact(first, Run(p, p.Mix, p.Bias), $"run {i}");
    }

    private static Problem Draw(Device device, int batch, int length, int heads, int count, double magnitude = 1)
    {
        Tensor Values(ulong seed) => KernelConformance.Random(device, seed, ScalarType.BFloat16, batch, length, heads, 128);
        // Keys with a common part, which the quantization takes off.
        Tensor q = Values(1) * 2 * magnitude, k = Values(2) * magnitude + 3, v = Values(3);
        // Neighbouring query blocks share some of their key blocks.
        int queryBlocks = (length + 63) / 64, keyBlocks = (length + 127) / 128;
        Tensor kept =
            BlockSelection.Highest(KernelConformance.Random(device, 4, ScalarType.Float32, batch, heads, queryBlocks, keyBlocks), count);
        Tensor mix = KernelConformance.Random(device, 5, ScalarType.BFloat16, batch, heads, 128, 128) * length,
            bias = KernelConformance.Random(device, 6, ScalarType.Float32, 128);
        return new Problem(q, k, v, kept, SageQueriesKernel.Run(q.flatten(2), null, default, 64),
            SageKeysKernel.Run(k.flatten(2), v.flatten(2), SageQuantization.KeyMean(k), null, default, 128, fp8: true), mix, bias);
    }

    private static Tensor Run(Problem p, Tensor mix, Tensor bias)
    {
        KernelConformance.PoisonMemory(p.Q.device);
        return Sm90SageAttentionKernel.Run(p.Queries, p.Keys, p.Kept.to_type(ScalarType.Int32), (mix, p.Keys.Sums.sum(2)), bias);
    }

    private sealed record Problem(
        Tensor Q, Tensor K, Tensor V, Tensor Kept, SageQueriesKernel.Result Queries, SageKeysKernel.Result Keys, Tensor Mix, Tensor Bias);
}
