using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Attention;

/// <summary>sage_statistics, sage_queries and sage_keys agree with their plain twins.</summary>
[Trait("Category", "Gpu")]
public class SagePrologueKernelTests
{
    private const double Eps = 1e-6;

    [Theory]
    [KernelCase(1, 1, 1)]
    [KernelCase(2, 30, 2)]
    [KernelCase(2, 105, 12)]
    [KernelCase(1, 40, 20)]
    [KernelCase(1, 420, 40, GpuOnly = true)]
    [KernelCase(1, 50, 64, GpuOnly = true)]
    public void Statistics_are_those_of_the_plain_form(TestMachine machine, int batch, int length, int heads)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using RotaryEmbedding rotary = RotaryEmbedding.Create(128, 1, length, 1, device);
        QueryKeyTransform transform = Transform(heads, rotary, device);
        // Parts of one wider projection.
        Tensor wide = KernelConformance.Random(device, 3, ScalarType.BFloat16, batch, length, 3 * heads * 128) * 2 + 0.5;
        Tensor q = wide.narrow(2, 0, heads * 128), k = wide.narrow(2, heads * 128, heads * 128);
        Tensor normed = k.to_type(ScalarType.Float32) * Inverse(k).unsqueeze(-1) * transform.KeyWeight.to_type(ScalarType.Float32);
        Tensor expected = rotary.Rotate(normed.unflatten(2, [-1, 128])).mean([1], keepdim: true);
        KernelConformance.PoisonMemory(device);
        (Tensor query, Tensor key, Tensor mean) = SageStatisticsKernel.Run(SageOperand.Rows(q), SageOperand.Rows(k), transform);
        Comparison.Elementwise(Inverse(q), query, 1e-5, 0, "q");
        Comparison.Elementwise(Inverse(k), key, 1e-5, 0, "k");
        Comparison.RelativeL2(expected, mean, 1e-2, "mean of the keys");
    }

    [Theory]
    [KernelCase(1, 1, 1, 64)]
    [KernelCase(1, 64, 2, 64)]
    [KernelCase(2, 300, 3, 64)]
    [KernelCase(2, 40, 5, 128)]
    [KernelCase(1, 20, 7, 64)]
    [KernelCase(1, 1000, 12, 128, GpuOnly = true)]
    public void Queries_are_quantized_and_pooled_as_in_the_plain_form(TestMachine machine, int batch, int length, int heads, int block)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor x = KernelConformance.Random(device, 1, ScalarType.BFloat16, batch, length, heads, 128) * 3 + 1;
        KernelConformance.PoisonMemory(device);
        Queries(x, SageQueriesKernel.Run(x.flatten(2), null, default, block), block);
    }

    [Theory]
    [KernelCase(1, 1, 1, 64)]
    [KernelCase(2, 130, 2, 64)]
    // Two times six heads, eight times five, and heads that only one divides.
    [KernelCase(2, 70, 12, 64)]
    [KernelCase(1, 20, 40, 64)]
    [KernelCase(2, 20, 7, 128)]
    [KernelCase(2, 300, 12, 64, GpuOnly = true)]
    [KernelCase(1, 257, 40, 128, GpuOnly = true)]
    public void Queries_are_normalised_and_rotated_first(TestMachine machine, int batch, int length, int heads, int block)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using RotaryEmbedding rotary = RotaryEmbedding.Create(128, 1, length, 1, device);
        QueryKeyTransform t = Transform(heads, rotary, device);
        Tensor wide = KernelConformance.Random(device, 3, ScalarType.BFloat16, batch, length, 2 * heads * 128) * 2;
        Tensor q = wide.narrow(2, 0, heads * 128), k = wide.narrow(2, heads * 128, heads * 128);
        (Tensor rotated, _) = RmsNormRotaryKernel.Run(q, k, t.QueryWeight, t.KeyWeight, rotary.Cosines, rotary.Sines, 128, Eps);
        KernelConformance.PoisonMemory(device);
        Queries(rotated, SageQueriesKernel.Run(SageOperand.Rows(q), Inverse(q), t, block), block);
    }

    [Theory]
    [KernelCase(1, 1, 1, 128, false)]
    [KernelCase(1, 128, 2, 128, false)]
    [KernelCase(2, 300, 3, 64, false)]
    [KernelCase(1, 1000, 12, 128, false, GpuOnly = true)]
    [KernelCase(1, 700, 1, 128, false)]
    [KernelCase(1, 5000, 2, 128, false, GpuOnly = true)]
    [KernelCase(2, 200, 2, 128, true)]
    [KernelCase(1, 100, 2, 64, true)]
    [KernelCase(2, 300, 12, 128, true, GpuOnly = true)]
    [KernelCase(1, 257, 40, 64, true, GpuOnly = true)]
    public void Keys_values_and_the_state_are_those_of_the_plain_form(TestMachine machine, int batch, int length, int heads, int block,
        bool transformed)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using RotaryEmbedding rotary = RotaryEmbedding.Create(128, 1, length, 1, device);
        QueryKeyTransform t = Transform(heads, rotary, device);
        Tensor wide = KernelConformance.Random(device, 3, ScalarType.BFloat16, batch, length, 2 * heads * 128) * 2 + 0.5;
        Tensor k = wide.narrow(2, 0, heads * 128), v = wide.narrow(2, heads * 128, heads * 128);
        Tensor x = transformed ? RmsNormRotaryKernel.Run(k, k, t.KeyWeight, t.KeyWeight, rotary.Cosines, rotary.Sines, 128, Eps).K
            : k.unflatten(2, [-1, 128]);
        Tensor values = v.unflatten(2, [-1, 128]), mean = SageQuantization.KeyMean(x);
        bool fp8 = block == 128 && (machine == TestMachine.Emulator || KernelMachine.Best(0).Form == KernelForm.Sm90);
        KernelConformance.PoisonMemory(device);
        SageKeysKernel.Result keys = SageKeysKernel.Run(SageOperand.Rows(k), SageOperand.Rows(v), mean, transformed
            ? Inverse(k)
            : null, t, block, fp8);

        KernelConformance.Quantized(SageQuantization.QuantizeKeys(x, block), (keys.Values, keys.Scales), "keys", transformed ? 1e-2 : 1e-5);
        Comparison.Elementwise(BlockSelection.MeanPool(x - mean, block), keys.Pooled, 8e-3, transformed ? 1e-3 : 1e-5, "pooled keys");
        Tensor features = x.transpose(1, 2).softmax(-1, ScalarType.Float32);
        Comparison.RelativeL2(features.sum(2), keys.Sums.sum(2), 2e-3, "sums of the features");
        Comparison.RelativeL2(features.transpose(-1, -2).matmul(values.transpose(1, 2).to_type(ScalarType.Float32)), keys.Products.sum(2),
            5e-3, "state");
        if (!fp8) return;
        (Tensor expected, Tensor scales) = SageQuantization.QuantizeValueBlocks(values, block);
        Comparison.Elementwise(scales, keys.V!.Value.Scales, 1e-5, 0, "scales of v");
        // Edges between two values of fp8, an eighth apart, may fall either way; in some data one of 500 lies on one.
        Comparison.RelativeL2(expected, Fp8Values(keys.V.Value.Values), 5e-3, "v");
    }

    [Theory]
    [KernelCase(1, 1)]
    [KernelCase(3, 11)]
    public void The_state_is_added_up_and_projected_as_in_the_plain_form(TestMachine machine, int heads, int parts)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        Tensor Draw(ulong seed, params long[] shape) => KernelConformance.Random(device, seed, ScalarType.Float32, shape);
        Tensor products = Draw(1, 2, heads, parts, 128, 128), sums = Draw(2, 2, heads, parts, 128), weight = Draw(3, 128, 128);
        KernelConformance.PoisonMemory(device);
        (Tensor mix, Tensor total) = SageStateKernel.Run(products, sums, weight);
        (Tensor expected, Tensor expectedTotal) = AttentionKernels.ProjectState(products, sums, weight);
        Comparison.RelativeL2(expected, mix, 3e-3, "projected state");
        Comparison.RelativeL2(expectedTotal, total, 1e-6, "sums");
    }

    private static void Queries(Tensor x, SageQueriesKernel.Result queries, int block)
    {
        KernelConformance.Quantized(SageQuantization.QuantizeQueries(x, block), (queries.Values, queries.Scales), "queries", 1e-2);
        // A sum in another order may round to the neighbouring bfloat16.
        Comparison.Elementwise(BlockSelection.MeanPool(x, block), queries.Pooled, 8e-3, 1e-3, "pooled queries");
        Comparison.Elementwise(x.transpose(1, 2).softmax(-1, ScalarType.Float32), queries.Features, 2e-2, 1e-6, "features");
    }

    private static QueryKeyTransform Transform(int heads, RotaryEmbedding rotary, Device device) => new(
        KernelConformance.Random(device, 11, ScalarType.BFloat16, heads * 128),
        KernelConformance.Random(device, 12, ScalarType.BFloat16, heads * 128),
        rotary, Eps);

    private static Tensor Inverse(Tensor x) => (x.to_type(ScalarType.Float32).pow(2).mean([-1]) + Eps).rsqrt();

    // Bytes of e4m3 to float32.
    private static Tensor Fp8Values(Tensor bytes)
    {
        float[] table = [.. Enumerable.Range(0, 256).Select(code =>
        {
            int exponent = code >> 3 & 15, mantissa = code & 7;
            float magnitude = (code & 127) == 127 ? float.NaN : exponent == 0
                ? mantissa / 512f
                : (1 + mantissa / 8f) * MathF.Pow(2, exponent - 7);
            return code >= 128 ? -magnitude : magnitude;
        })];
        return tensor(table, device: bytes.device).index_select(0, bytes.flatten().to_type(ScalarType.Int64)).reshape(bytes.shape);
    }
}
