using TurboDiffusion.Kernels;
using TurboDiffusion.Quantization;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Kernels;

/// <summary>int8_matmul and sm90_int8_matmul agree with their plain twin.</summary>
[Trait("Category", "Gpu")]
public class Int8MatmulKernelTests
{
    public static TheoryData<string, long, long, long, ScalarType> Shapes
    {
        get
        {
            var data = new TheoryData<string, long, long, long, ScalarType>();
            foreach (string variant in Enum.GetNames<Int8MatmulKernel.Variant>())
                foreach (ScalarType dtype in new[] { ScalarType.BFloat16, ScalarType.Float32 })
                    foreach ((long m, long n, long k) in new (long, long, long)[]
                             { (1, 8, 16), (128, 128, 128), (130, 136, 272), (2, 8960, 1536), (513, 1536, 8960), (2500, 1528, 1520), (1153, 5120, 144) })
                        data.Add(variant, m, n, k, dtype);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_and_bias_agree_with_the_plain_form(string variant, long m, long n, long k, ScalarType dtype)
    {
        (Device device, Int8MatmulKernel.Variant source) = Require(variant);
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, m, n, k, dtype);
        KernelConformance.PoisonMemory(device);
        Comparison.RelativeL2(Int8Matmul.MultiplyPlain(a, b, bias, ScalarType.Float32), Int8MatmulKernel.Multiply(a, b, bias, dtype, source), Limit(dtype), $"{variant} {m}×{n}×{k}");
        Comparison.RelativeL2(Int8Matmul.MultiplyPlain(a, b, null, ScalarType.Float32), Int8MatmulKernel.Multiply(a, b, null, dtype, source), Limit(dtype), $"{variant} {m}×{n}×{k}, no bias");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_GELU_and_quantization_agree_with_the_plain_form(string variant, long m, long n, long k, ScalarType dtype)
    {
        (Device device, Int8MatmulKernel.Variant source) = Require(variant);
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, m, n, k, dtype);
        KernelConformance.PoisonMemory(device);
        KernelConformance.Quantized(Int8Matmul.MultiplyGeluPlain(a, b, bias), Int8MatmulKernel.MultiplyGelu(a, b, bias, source), $"{variant} {m}×{n}×{k}", scaleTolerance: 1e-4);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_gate_and_residual_agree_with_the_plain_form(string variant, long m, long n, long k, ScalarType dtype)
    {
        (Device device, Int8MatmulKernel.Variant source) = Require(variant);
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, m, n, k, dtype);
        long batch = m % 2 == 0 ? 2 : 1;
        Tensor residual = KernelConformance.Random(device, 4, dtype, batch, m / batch, n), gate = KernelConformance.Random(device, 5, ScalarType.Float32, batch, 1, n);
        KernelConformance.PoisonMemory(device);
        Comparison.RelativeL2(Int8Matmul.MultiplyAddGatedPlain(a, b, bias, residual.to(ScalarType.Float32), gate),
            Int8MatmulKernel.MultiplyAddGated(a, b, bias, residual, gate, source), Limit(dtype), $"{variant} {m}×{n}×{k}");
    }

    [Theory]
    [InlineData("Portable", -128, -128)]
    [InlineData("Portable", 127, -128)]
    [InlineData("Hopper", -128, -128)]
    [InlineData("Hopper", 127, -128)]
    public void The_largest_sums_are_exact(string variant, int left, int right)
    {
        (Device device, Int8MatmulKernel.Variant source) = Require(variant);
        using var scope = NewDisposeScope();
        var a = (full([128, 512], left, ScalarType.Int8, device), ones(1, 4, ScalarType.Float32, device));
        var b = (full([256, 512], right, ScalarType.Int8, device), ones(2, 4, ScalarType.Float32, device));
        Comparison.Exact(full([128, 256], 512.0 * left * right), Int8MatmulKernel.Multiply(a, b, null, ScalarType.Float32, source), "sums");
    }

    [Theory]
    [InlineData("Portable")]
    [InlineData("Hopper")]
    public void Two_runs_give_the_same_bits(string variant)
    {
        (Device device, Int8MatmulKernel.Variant source) = Require(variant);
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, 2000, 1536, 1536, ScalarType.BFloat16);
        Tensor first = Int8MatmulKernel.Multiply(a, b, bias, ScalarType.BFloat16, source);
        for (int i = 0; i < 5; i++) Comparison.Exact(first, Int8MatmulKernel.Multiply(a, b, bias, ScalarType.BFloat16, source), $"run {i}");
    }

    private static (Device Device, Int8MatmulKernel.Variant Variant) Require(string variant)
    {
        Device device = KernelConformance.RequireGpu();
        Int8MatmulKernel.Variant source = Enum.Parse<Int8MatmulKernel.Variant>(variant);
        Assert.SkipUnless(source == Int8MatmulKernel.Variant.Portable || Int8MatmulKernel.Preferred(device) == source, "the GPU is not a Hopper");
        return (device, source);
    }

    private static double Limit(ScalarType dtype) => dtype == ScalarType.BFloat16 ? 3e-3 : 1e-5;

    private static ((Tensor, Tensor) A, (Tensor, Tensor) B, Tensor Bias) Operands(Device device, long m, long n, long k, ScalarType dtype)
    {
        // Columns of very different sizes, so that a scale of the wrong block shows.
        Tensor columns = KernelConformance.Random(device, 9, ScalarType.Float32, 1, k).exp();
        return (BlockInt8.QuantizePlain(KernelConformance.Random(device, 1, ScalarType.Float32, m, k) * columns),
            BlockInt8.QuantizePlain(KernelConformance.Random(device, 2, ScalarType.Float32, n, k) / columns / Math.Sqrt(k)),
            KernelConformance.Random(device, 3, dtype, n));
    }
}
