using System.Globalization;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Attention;

/// <summary>sm90_int8_attention over all keys and over lists, and block_pairs, which makes the lists.</summary>
public class Sm90Int8AttentionKernelTests
{
    private static readonly AttentionOptions Options = AttentionOptions.Sage;

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
        double error = Comparison.RelativeL2(exact, RunAll(p), plainError * 1.05 + 3e-3, $"L {length}, {heads} heads");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"sm90 int8 attention, L {length}: error against float32 {error:G3}, plain form {plainError:G3}"));
    }

    [Theory]
    [KernelCase(1, 1, 1, 1)]
    [KernelCase(1, 128, 2, 1)]
    [KernelCase(2, 300, 3, 2)]
    [KernelCase(1, 1000, 2, 8, GpuOnly = true)]
    [KernelCase(1, 600, 2, 3)]
    [KernelCase(1, 2000, 2, 3, GpuOnly = true)]
    [KernelCase(1, 4096, 12, 3, GpuOnly = true)]
    public void Over_lists_the_result_is_that_of_the_kernel_that_merges_as_it_goes(TestMachine machine, int batch, int length, int heads,
        int count)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, batch, length, heads);
        Tensor scores = Scores(p, length);
        Tensor mix = KernelConformance.Random(p.Q.device, 5, ScalarType.BFloat16, batch, heads, 128, 128) * length,
            bias = KernelConformance.Random(p.Q.device, 6, ScalarType.Float32, 128);
        (Tensor, Tensor) state = (mix, p.Keys.Sums.sum(2));
        BlockPairsKernel.Result pairs = BlockPairsKernel.Run(scores, count, p.Keys.Scales, p.Keys.V!.Value.Scales);
        KernelConformance.PoisonMemory(p.Q.device);
        Tensor actual = Sm90Int8AttentionKernel.Run(p.Queries, p.Keys, pairs, state, bias);
        // The same but for the order of the blocks, against whose running maximum P is rounded to fp8.
        Comparison.RelativeL2(Sm90SageAttentionKernel.Run(p.Queries, p.Keys, BlockTopKKernel.Run(scores, count), state, bias), actual,
            3e-2, "merging as it goes");
        Tensor sparse = BlockSparseAttention.Attend(p.Q, p.K, p.V, BlockSelection.Highest(scores, count), Options);
        Comparison.RelativeL2(sparse + AttentionKernels.AttendLinear(p.Queries.Features, state, bias), actual, 0.05, "float32");
    }

    [Theory]
    [KernelCase(1, 1, 1)]
    [KernelCase(2, 5, 2)]
    [KernelCase(7, 4, 4)]
    [KernelCase(64, 256, 25)]
    [KernelCase(33, 591, 59)]
    public void A_list_has_what_both_have_chosen_first_and_then_one_of_each_by_turns(TestMachine machine, int queryBlocks, int keyBlocks,
        int count)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        Tensor scores = KernelConformance.Random(device, 1, ScalarType.BFloat16, 1, 2, queryBlocks, keyBlocks);
        Tensor keyScales = KernelConformance.Random(device, 2, ScalarType.Float32, 1, 2, keyBlocks),
            valueScales = KernelConformance.Random(device, 3, ScalarType.Float32, 1, 2, keyBlocks);
        BlockPairsKernel.Result lists = BlockPairsKernel.Run(scores, count, keyScales, valueScales);
        int[] lengths = [.. lists.Lengths.cpu().data<int>()], entries = [.. lists.Entries.cpu().data<int>()];
        int[] chosen = [.. BlockSelection.Highest(scores, count).to_type(ScalarType.Int32).cpu().data<int>()];
        float[] k = [.. keyScales.cpu().data<float>()], v = [.. valueScales.cpu().data<float>()];
        int pairs = (queryBlocks + 1) / 2;
        for (int list = 0; list < 2 * pairs; list++)
        {
            (int head, int pair) = (list / pairs, list % pairs);
            int[] Of(int block) => block < queryBlocks ? chosen.AsSpan((head * queryBlocks + block) * count, count).ToArray() : [];
            int[] first = Of(2 * pair), second = Of(2 * pair + 1), both = [.. first.Intersect(second)];
            int[] a = [.. first.Except(both)], b = [.. second.Except(both)];
            (int, int)[] expected =
            [
                .. both.Select(block => (block, 3)),
                .. Enumerable.Range(0, Math.Max(a.Length, b.Length)).SelectMany(i =>
                    a.Skip(i).Take(1).Select(block => (block, 1)).Concat(b.Skip(i).Take(1).Select(block => (block, 2)))),
            ];
            Assert.Equal(expected.Length, lengths[list]);
            for (int i = 0; i < expected.Length; i++)
            {
                ReadOnlySpan<int> entry = entries.AsSpan((list * 2 * count + i) * BlockPairsKernel.EntrySize, BlockPairsKernel.EntrySize);
                Assert.Equal(expected[i], (entry[0], entry[1]));
                Assert.Equal((k[head * keyBlocks + entry[0]], v[head * keyBlocks + entry[0]]),
                    (BitConverter.Int32BitsToSingle(entry[2]), BitConverter.Int32BitsToSingle(entry[3])));
            }
        }
    }

    [Theory]
    [Trait("Category", "Gpu")]
    [InlineData(false)]
    [InlineData(true)]
    public void The_launch_has_the_registers_that_the_warpgroups_claim(bool chosen)
    {
        Device device = KernelConformance.RequireSm90();
        (KernelProgram program, KernelLaunch launch) =
            Sm90Int8AttentionKernel.Configure(new(1, 1000, 1), chosen, CudaContext.Of(device).SharedBytes);
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
        Comparison.RelativeL2(SageAttention.AttendPlain(p.Q, p.K, p.V), RunAll(p), 0.1, "plain form");
    }

    [Theory]
    [KernelCase(GpuOnly = true)]
    public void Equal_runs_are_equal(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Problem p = Draw(on.Device, 1, 3000, 12);
        Tensor first = RunAll(p);
        for (int i = 0; i < 5; i++) Comparison.Exact(first, RunAll(p), $"run {i}");
    }

    private static Problem Draw(Device device, int batch, int length, int heads, double magnitude = 1)
    {
        Tensor Values(ulong seed) => KernelConformance.Random(device, seed, ScalarType.BFloat16, batch, length, heads, 128);
        // Keys with a common part, which the quantization takes off.
        Tensor q = Values(1) * 2 * magnitude, k = Values(2) * magnitude + 3, v = Values(3);
        return new Problem(q, k, v, SageQueriesKernel.Run(q.flatten(2), null, default, 64),
            SageKeysKernel.Run(k.flatten(2), v.flatten(2), SageQuantization.KeyMean(k), null, default, 128, fp8: true));
    }

    // Of the blocks, with which neighbouring query blocks choose some alike.
    private static Tensor Scores(Problem p, int length) => KernelConformance.Random(p.Q.device, 4, ScalarType.BFloat16, p.Q.shape[0],
        p.Q.shape[2], (length + 63) / 64, (length + 127) / 128);

    private static Tensor RunAll(Problem p)
    {
        Tensor channels = SageQuantization.ValueChannels(p.V);
        SageKeysKernel.Result keys = SageKeysKernel.Run(p.K.flatten(2), p.V.flatten(2), SageQuantization.KeyMean(p.K), null, default, 128,
            fp8: false, state: false, channels: channels);
        KernelConformance.PoisonMemory(p.Q.device);
        return Sm90Int8AttentionKernel.Run(p.Queries, keys, channels);
    }

    private static Tensor Wide(Tensor x) => x.to_type(ScalarType.Float32);

    private sealed record Problem(Tensor Q, Tensor K, Tensor V, SageQueriesKernel.Result Queries, SageKeysKernel.Result Keys);
}
