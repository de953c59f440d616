using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Linear;

/// <summary>int8_matmul and sm90_int8_matmul agree with their plain twin.</summary>
[Trait("Category", "Gpu")]
public class Int8MatmulKernelTests
{
    // Every source with every tuning, by a name that the test's output shows.
    private static readonly Dictionary<string, (KernelForm Form, Sm90Int8MatmulKernel.Tuning? Tuning)> Sources =
        Sm90Int8MatmulKernel.Tuning.All.Select(t => (KernelForm.Sm90, (Sm90Int8MatmulKernel.Tuning?)t)).Prepend((KernelForm.Portable, null))
            .ToDictionary(s => $"{s.Item1} {s.Item2}");

    public static TheoryData<string> Variants => [.. Sources.Keys];

    public static TheoryData<string, long, long, long, ScalarType> Shapes
    {
        get
        {
            var data = new TheoryData<string, long, long, long, ScalarType>();
            foreach (string variant in Sources.Keys)
                foreach (ScalarType dtype in new[] { ScalarType.BFloat16, ScalarType.Float32 })
                    foreach ((long m, long n, long k) in new (long, long, long)[]
                             { (1, 8, 16), (128, 128, 128), (130, 136, 272), (2, 8960, 1536), (513, 1536, 8960), (2500, 1528, 1520),
                                 (1153, 5120, 144), (4999, 2568, 528) })
                        data.Add(variant, m, n, k, dtype);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_and_bias_agree_with_the_plain_form(string variant, long m, long n, long k, ScalarType dtype)
    {
        (Device device, KernelForm source, Sm90Int8MatmulKernel.Tuning? tuning) = Require(variant);
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, m, n, k, dtype);
        KernelConformance.PoisonMemory(device);
        Comparison.RelativeL2(Int8Matmul.MultiplyPlain(a, b, bias, ScalarType.Float32),
            Int8MatmulKernel.Multiply(a, b, bias, dtype, source, tuning), Limit(dtype), $"{variant} {m}×{n}×{k}");
        Comparison.RelativeL2(Int8Matmul.MultiplyPlain(a, b, null, ScalarType.Float32),
            Int8MatmulKernel.Multiply(a, b, null, dtype, source, tuning), Limit(dtype), $"{variant} {m}×{n}×{k}, no bias");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_GELU_and_quantization_agree_with_the_plain_form(string variant, long m, long n, long k, ScalarType dtype)
    {
        (Device device, KernelForm source, Sm90Int8MatmulKernel.Tuning? tuning) = Require(variant);
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, m, n, k, dtype);
        KernelConformance.PoisonMemory(device);
        KernelConformance.QuantizedGelu(Int8Matmul.MultiplyGeluPlain(a, b, bias, ScalarType.Float32),
            Int8MatmulKernel.MultiplyGelu(a, b, bias, bias.dtype, source, tuning), $"{variant} {m}×{n}×{k}");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_gate_and_residual_agree_with_the_plain_form(string variant, long m, long n, long k, ScalarType dtype)
    {
        (Device device, KernelForm source, Sm90Int8MatmulKernel.Tuning? tuning) = Require(variant);
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, m, n, k, dtype);
        long batch = m % 2 == 0 ? 2 : 1;
        Tensor residual = KernelConformance.Random(device, 4, dtype, batch, m / batch, n),
            gate = KernelConformance.Random(device, 5, ScalarType.Float32, batch, 1, n);
        KernelConformance.PoisonMemory(device);
        Comparison.RelativeL2(Int8Matmul.MultiplyAddPlain(a, b, bias, residual.to(ScalarType.Float32), gate, ScalarType.Float32),
            Int8MatmulKernel.MultiplyAdd(a, b, bias, residual, gate, source, tuning), Limit(dtype), $"{variant} {m}×{n}×{k}");
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_product_without_a_gate_is_added_to_the_residual(string variant)
    {
        (Device device, KernelForm source, Sm90Int8MatmulKernel.Tuning? tuning) = Require(variant);
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, 300, 392, 400, ScalarType.BFloat16);
        Tensor residual = KernelConformance.Random(device, 4, ScalarType.BFloat16, 2, 150, 392);
        KernelConformance.PoisonMemory(device);
        Comparison.RelativeL2(Int8Matmul.MultiplyAddPlain(a, b, bias, residual.to(ScalarType.Float32), null, ScalarType.Float32),
            Int8MatmulKernel.MultiplyAdd(a, b, bias, residual, null, source, tuning), Limit(ScalarType.BFloat16), variant);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Random_odd_shapes_agree_with_the_plain_form(string variant)
    {
        (Device device, KernelForm source, Sm90Int8MatmulKernel.Tuning? tuning) = Require(variant);
        var random = new Random(20);
        for (int i = 0; i < 8; i++)
        {
            using var scope = NewDisposeScope();
            long m = random.Next(1, 3000), n = random.Next(1, 400) * 8, k = random.Next(1, 150) * 16;
            (var a, var b, Tensor bias) = Operands(device, m, n, k, ScalarType.BFloat16);
            KernelConformance.PoisonMemory(device);
            Comparison.RelativeL2(Int8Matmul.MultiplyPlain(a, b, bias, ScalarType.Float32),
                Int8MatmulKernel.Multiply(a, b, bias, ScalarType.BFloat16, source, tuning), Limit(ScalarType.BFloat16),
                $"{variant} {m}×{n}×{k}");
            KernelConformance.QuantizedGelu(Int8Matmul.MultiplyGeluPlain(a, b, bias, ScalarType.Float32),
                Int8MatmulKernel.MultiplyGelu(a, b, bias, bias.dtype, source, tuning),
                $"{variant} {m}×{n}×{k}");
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void The_largest_sums_are_exact(string variant)
    {
        (Device device, KernelForm source, Sm90Int8MatmulKernel.Tuning? tuning) = Require(variant);
        foreach ((int left, int right) in new[] { (-128, -128), (127, -128) })
        {
            using var scope = NewDisposeScope();
            var a = (full([256, 512], left, ScalarType.Int8, device), ones(2, 4, ScalarType.Float32, device));
            var b = (full([256, 512], right, ScalarType.Int8, device), ones(2, 4, ScalarType.Float32, device));
            Comparison.Exact(full([256, 256], 512.0 * left * right),
                Int8MatmulKernel.Multiply(a, b, null, ScalarType.Float32, source, tuning), $"{variant} {left}·{right}");
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Two_runs_give_the_same_bits(string variant)
    {
        (Device device, KernelForm source, Sm90Int8MatmulKernel.Tuning? tuning) = Require(variant);
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, 2000, 1536, 1536, ScalarType.BFloat16);
        Tensor first = Int8MatmulKernel.Multiply(a, b, bias, ScalarType.BFloat16, source, tuning);
        for (int i = 0; i < 5; i++) Comparison.Exact(first, Int8MatmulKernel.Multiply(a, b, bias, ScalarType.BFloat16, source, tuning),
            $"run {i}");
    }

    [Theory]
    [InlineData(1, 8, 16)]
    [InlineData(130, 136, 272)]
    [InlineData(513, 1536, 1536)]
    [InlineData(2500, 1528, 528)]
    public void The_trial_in_fp8_agrees_with_its_plain_form(long m, long n, long k)
    {
        Device device = KernelConformance.RequireSm90();
        using var scope = NewDisposeScope();
        Tensor rows = KernelConformance.Random(device, 8, ScalarType.Float32, m, 1).exp(), x = KernelConformance.Random(device, 1,
            ScalarType.Float32, m, k) * rows, w = KernelConformance.Random(device, 2, ScalarType.Float32, n, k);
        (Tensor, Tensor) a = Fp8Trial.Activations(x), b = Fp8Trial.Weights(w);
        Tensor bias = KernelConformance.Random(device, 3, ScalarType.BFloat16, n), expected = Fp8Trial.Multiply(a, b) + bias;
        KernelConformance.PoisonMemory(device);
        foreach (Sm90Int8MatmulKernel.Tuning tuning in Sm90Int8MatmulKernel.Tuning.All.Where(t => !t.PromotesByBits))
            Comparison.RelativeL2(expected, Int8MatmulKernel.Multiply(a, b, bias, ScalarType.BFloat16, KernelForm.Sm90, tuning, fp8: true),
                3e-3, $"{m}×{n}×{k}, {tuning}");
    }

    // setmaxnreg: 2 warpgroups of 232 registers and one of 40 come out of 3 of 168.
    [Fact]
    public void The_launch_has_the_registers_that_the_warpgroups_claim()
    {
        Device device = KernelConformance.RequireSm90();
        foreach (Int8MatmulKernel.Epilogue kind in Enum.GetValues<Int8MatmulKernel.Epilogue>())
            foreach (Sm90Int8MatmulKernel.Tuning tuning in Sm90Int8MatmulKernel.Tuning.All)
            {
                KernelFunction function = KernelFunction.Of(device,
                    Sm90Int8MatmulKernel.Configure(new(256, 256, 256, ScalarType.BFloat16, kind), 227 << 10, 132, tuning).Program);
                Assert.True(function is { Registers: 168, LocalBytes: 0 },
                    $"{kind} {tuning}: {function.Registers} registers, {function.LocalBytes} bytes of local memory");
            }
    }

    private static (Device Device, KernelForm Form, Sm90Int8MatmulKernel.Tuning? Tuning) Require(string variant)
    {
        (KernelForm form, Sm90Int8MatmulKernel.Tuning? tuning) = Sources[variant];
        return (form == KernelForm.Sm90 ? KernelConformance.RequireSm90() : KernelConformance.RequireGpu(), form, tuning);
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
