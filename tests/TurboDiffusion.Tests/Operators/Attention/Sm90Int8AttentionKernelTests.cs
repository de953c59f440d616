using System.Globalization;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Attention;

/// <summary>sm90_int8_attention: over all keys; over chosen blocks, each branch against float32, and their sum.</summary>
public class Sm90Int8AttentionKernelTests
{
    private static readonly AttentionOptions Options = AttentionOptions.SageSla(1);

    [Theory]
    [KernelCase(1, 1, 1)]
    [KernelCase(1, 64, 1)]
    [KernelCase(1, 65, 2)]
    [KernelCase(2, 300, 3)]
    [KernelCase(1, 1000, 2, GpuOnly = true)]
    [KernelCase(1, 4096, 12, GpuOnly = true)]
    public void Over_all_keys_the_error_is_no_larger_than_that_of_the_plain_form(TestMachine machine, int batch, int length, int heads)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, batch, length, heads);
        Tensor exact = DenseAttention.Attend(Wide(p.Q), Wide(p.K), Wide(p.V));
        double plainError = Comparison.RelativeL2(exact, SageAttention.AttendPlain(p.Q, p.K, p.V), 1, "plain form");
        Tensor actual = RunAll(p);
        double error = Comparison.RelativeL2(exact, actual, plainError * 1.05 + 3e-3, $"L {length}, {heads} heads");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"sm90 int8 attention, L {length}: error against float32 {error:G3}, plain form {plainError:G3}"));
    }

    [Theory]
    [KernelCase(1, 1, 1, 1)]
    [KernelCase(1, 64, 1, 1)]
    [KernelCase(1, 128, 2, 1)]
    [KernelCase(2, 300, 3, 2)]
    [KernelCase(1, 600, 2, 3)]
    [KernelCase(1, 1000, 2, 8, GpuOnly = true)]
    [KernelCase(1, 2000, 2, 3, GpuOnly = true)]
    [KernelCase(1, 4096, 12, 32, GpuOnly = true)]
    public void The_sparse_branch_is_no_further_off_than_the_plain_form(TestMachine machine, int batch, int length, int heads, int count)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, batch, length, heads);
        Chosen c = Choose(p, count);
        Tensor exact = BlockSparseAttention.Attend(p.Q, p.K, p.V, c.Kept, Options),
            plain = BlockSparseAttention.AttendSage(p.Q, p.K, p.V, c.Kept, Options);
        Tensor actual = RunChosen(p, c, zeros_like(c.Mix), zeros_like(c.Bias));
        double plainError = Comparison.RelativeL2(exact, plain, 1, "plain form");
        // Where hardly anything is averaged, what is left is the rounding of v: per block here, per channel in the plain form,
        // which is exact for a single token.
        (_, Tensor scales) = SageQuantization.QuantizeValueBlocks(p.V, Options.KeyBlock);
        Tensor unscaled = BlockSelection.Blocks(p.V.to_type(ScalarType.Float32), Options.KeyBlock) / scales.unsqueeze(-1).unsqueeze(-1);
        double valueError = Comparison.RelativeL2(unscaled, Fp8.Round(unscaled), 1, "v in fp8");
        double error = Comparison.RelativeL2(exact, actual, Math.Max(plainError, valueError) * 1.05 + 3e-3,
            $"L {length}, {heads} heads, {count} blocks");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"sm90 int8 attention, L {length}, kept {count}: error against float32 {error:G3}, plain form {plainError:G3}"));
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
        Problem p = Draw(on.Device, batch, length, heads);
        Chosen c = Choose(p, 1);
        // Without values, the sparse branch is zero.
        Problem empty = p with { Keys = p.Keys with { V = (zeros_like(p.Keys.V!.Value.Values), p.Keys.V.Value.Scales) } };
        Comparison.RelativeL2(AttentionKernels.AttendLinear(p.Queries.Features, (c.Mix, p.Keys.Sums.sum(2)), c.Bias),
            RunChosen(empty, c, c.Mix, c.Bias), 5e-3, "linear branch");
    }

    [Theory]
    [KernelCase]
    public void The_branches_are_added(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, 1, 700, 2);
        Chosen c = Choose(p, 4);
        Tensor sparse = RunChosen(p, c, zeros_like(c.Mix), zeros_like(c.Bias)).to_type(ScalarType.Float32);
        Comparison.RelativeL2(sparse + AttentionKernels.AttendLinear(p.Queries.Features, (c.Mix, p.Keys.Sums.sum(2)), c.Bias),
            RunChosen(p, c, c.Mix, c.Bias), 5e-3, "sum");
    }

    [Theory]
    [Trait("Category", "Gpu")]
    [InlineData(true)]
    [InlineData(false)]
    public void The_launch_has_the_registers_that_the_warpgroups_claim(bool chosen)
    {
        Device device = KernelConformance.RequireSm90();
        (KernelProgram program, KernelLaunch launch) = Sm90Int8AttentionKernel.Configure(new(1, 1000, 1), chosen,
            CudaContext.Of(device).SharedBytes);
        KernelFunction function = KernelFunction.Of(CudaContext.Of(device), program);
        Assert.Equal(0, function.LocalBytes);
        // kProducerRegisters and kConsumerRegisters of the source.
        Assert.True(function.Registers * launch.Threads >= 40 * 128 + 232 * 256, $"{function.Registers} registers");
    }

    [Theory]
    [KernelCase]
    public void Large_scores_do_not_overflow(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, 1, 300, 2, 50);
        Comparison.RelativeL2(SageAttention.AttendPlain(p.Q, p.K, p.V), RunAll(p), 0.1, "plain form, all keys");
        Chosen c = Choose(p, 2);
        Comparison.RelativeL2(BlockSparseAttention.AttendSage(p.Q, p.K, p.V, c.Kept, Options),
            RunChosen(p, c, zeros_like(c.Mix), zeros_like(c.Bias)), 0.1, "plain form, chosen blocks");
    }

    [Theory]
    [KernelCase(GpuOnly = true)]
    public void Equal_runs_are_equal(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, 1, 3000, 12);
        Chosen c = Choose(p, 6);
        Tensor chosen = RunChosen(p, c, c.Mix, c.Bias);
        for (int i = 0; i < 5; i++) Comparison.Exact(chosen, RunChosen(p, c, c.Mix, c.Bias), $"chosen blocks, run {i}");
        Tensor all = RunAll(p);
        for (int i = 0; i < 5; i++) Comparison.Exact(all, RunAll(p), $"all keys, run {i}");
    }

    private static Problem Draw(Device device, int batch, int length, int heads, double magnitude = 1)
    {
        Tensor Values(ulong seed) => KernelConformance.Random(device, seed, ScalarType.BFloat16, batch, length, heads, 128);
        // Keys with a common part, which the quantization takes off.
        Tensor q = Values(1) * 2 * magnitude, k = Values(2) * magnitude + 3, v = Values(3);
        return new Problem(q, k, v, SageQueriesKernel.Run(q.flatten(2), null, default, 64),
            SageKeysKernel.Run(k.flatten(2), v.flatten(2), SageQuantization.KeyMean(k), null, default, 128, fp8: true));
    }

    // Neighbouring query blocks share some of their key blocks.
    private static Chosen Choose(Problem p, int count)
    {
        (long batch, long length, long heads) = (p.Q.shape[0], p.Q.shape[1], p.Q.shape[2]);
        Tensor scores = KernelConformance.Random(p.Q.device, 4, ScalarType.Float32, batch, heads, (length + 63) / 64, (length + 127) / 128);
        Tensor mix = KernelConformance.Random(p.Q.device, 5, ScalarType.BFloat16, batch, heads, 128, 128) * length;
        return new Chosen(BlockSelection.Highest(scores, count), mix, KernelConformance.Random(p.Q.device, 6, ScalarType.Float32, 128));
    }

    private static Tensor RunChosen(Problem p, Chosen c, Tensor mix, Tensor bias)
    {
        KernelConformance.PoisonMemory(p.Q.device);
        return Sm90Int8AttentionKernel.Run(p.Queries, p.Keys, c.Kept.to_type(ScalarType.Int32), (mix, p.Keys.Sums.sum(2)), bias);
    }

    private static Tensor RunAll(Problem p)
    {
        Tensor channels = SageQuantization.ValueChannels(p.V);
        SageKeysKernel.Result keys = SageKeysKernel.Run(p.K.flatten(2), p.V.flatten(2), SageQuantization.KeyMean(p.K), null, default, 128,
            fp8: false, state: false, channels: channels);
        KernelConformance.PoisonMemory(p.Q.device);
        return Sm90Int8AttentionKernel.Run(p.Queries, keys, channels);
    }

    private static Tensor Wide(Tensor x) => x.to_type(ScalarType.Float32);

    // Key blocks and the state of the linear branch.
    private sealed record Chosen(Tensor Kept, Tensor Mix, Tensor Bias);

    private sealed record Problem(Tensor Q, Tensor K, Tensor V, SageQueriesKernel.Result Queries, SageKeysKernel.Result Keys);
}
