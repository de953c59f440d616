using System.Globalization;
using TurboDiffusion.Operators.Attention;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Attention;

/// <summary>sage_sparse_attention against float32 attention over the same blocks, and against its plain twin.</summary>
public class SageSparseAttentionKernelTests
{
    [Theory]
    [KernelCase(1, 1, 1, 64, 128, 1)]
    [KernelCase(1, 64, 2, 64, 128, 1)]
    [KernelCase(2, 300, 3, 64, 128, 0.5)]
    [KernelCase(1, 1000, 2, 128, 64, 0.3)]
    [KernelCase(1, 1025, 2, 64, 64, 0.2)]
    [KernelCase(1, 2048, 12, 128, 128, 1, GpuOnly = true)]
    public void The_error_is_no_larger_than_that_of_the_plain_form(TestMachine machine, int batch, int length, int heads,
        int queryBlock, int keyBlock, double ratio)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor Draw(ulong seed) => KernelConformance.Random(device, seed, ScalarType.BFloat16, batch, length, heads, 128);
        // Keys with a common part, which the quantization takes off.
        Tensor q = Draw(1) * 2, k = Draw(2) + 3, v = Draw(3);
        AttentionOptions options = AttentionOptions.SageSla(ratio, queryBlock, keyBlock);
        Tensor kept = BlockSelection.Select(q, k, options);
        Tensor exact = BlockSparseAttention.Attend(q, k, v, kept, options), plain = BlockSparseAttention.AttendSage(q, k, v, kept, options);
        KernelConformance.PoisonMemory(device);
        Tensor actual = SageSparseAttentionKernel.Run(SageQuantization.QuantizeQueries(q, queryBlock),
            SageQuantization.QuantizeKeys(k, keyBlock), v, kept.to_type(ScalarType.Int32), options);
        double plainError = Comparison.RelativeL2(exact, plain, 1, "plain form");
        double error = Comparison.RelativeL2(exact, actual, plainError * 1.05 + 3e-3,
            $"L {length}, {heads} heads, blocks {queryBlock}×{keyBlock}");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"sage attention, L {length}, kept {kept.shape[3]}: error against float32 {error:G3}, plain form {plainError:G3}"));
    }

    [Theory]
    [KernelCase]
    public void The_order_of_the_blocks_does_not_matter_and_large_scores_do_not_overflow(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        Tensor Draw(ulong seed) => KernelConformance.Random(device, seed, ScalarType.BFloat16, 1, 500, 2, 128);
        Tensor q = Draw(1) * 50, k = Draw(2) * 50, v = Draw(3);
        AttentionOptions options = AttentionOptions.SageSla(1);
        var queries = SageQuantization.QuantizeQueries(q, options.QueryBlock);
        var keys = SageQuantization.QuantizeKeys(k, options.KeyBlock);
        Tensor forward = tensor(new int[] { 0, 1, 2, 3 }, device: device).expand(1, 2, 8, 4);
        Tensor first = SageSparseAttentionKernel.Run(queries, keys, v, forward, options);
        Comparison.RelativeL2(first, SageSparseAttentionKernel.Run(queries, keys, v, forward.flip(3), options), 5e-3, "reversed");
    }
}
