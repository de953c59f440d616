using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Linear;

/// <summary>int8_matmul and sm90_int8_matmul agree with their plain twin.</summary>
[Trait("Category", "Gpu")]
public class Int8MatmulKernelTests
{
    // Every source, Hopper's own in clusters of one and of two, by a name that the test's output shows.
    private static readonly Dictionary<string, (KernelForm Form, int? Cluster)> Sources = new()
    {
        ["portable"] = (KernelForm.Portable, null), ["Hopper, alone"] = (KernelForm.Sm90, 1), ["Hopper, in twos"] = (KernelForm.Sm90, 2),
    };

    public static IEnumerable<ITheoryDataRow> Variants =>
        from variant in Sources.Keys
        from row in KernelCaseAttribute.Rows(gpuOnly: false, variant)
        select row;

    public static IEnumerable<ITheoryDataRow> VariantsOnGpu =>
        from variant in Sources.Keys from row in KernelCaseAttribute.Rows(gpuOnly: true, variant) select row;

    public static IEnumerable<ITheoryDataRow> Shapes =>
        from variant in Sources.Keys
        from dtype in new[] { ScalarType.BFloat16, ScalarType.Float32 }
        from shape in new (long M, long N, long K)[] { (1, 8, 16), (130, 136, 272), (300, 520, 608), (128, 128, 128), (2, 8960, 1536),
            (513, 1536, 8960), (2500, 1528, 1520), (1153, 5120, 144), (4999, 2568, 528) }
        where Sources[variant].Form != KernelForm.Sm90 || dtype == ScalarType.BFloat16
        let emulated = shape is { M: < 1000, N: < 1000, K: > 0 and < 1000 and not 128 }
        from row in KernelCaseAttribute.Rows(gpuOnly: !emulated, variant, shape.M, shape.N, shape.K, dtype)
        select row;

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_and_bias_agree_with_the_plain_form(TestMachine machine, string variant, long m, long n, long k, ScalarType dtype)
    {
        (KernelForm source, int? cluster) = Sources[variant];
        using TestDevice on = TestDevice.Of(machine, source);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, m, n, k, dtype);
        KernelConformance.PoisonMemory(device);
        Comparison.RelativeL2(Int8Matmul.MultiplyPlain(a, b, bias, ScalarType.Float32),
            Int8MatmulKernel.Multiply(a, b, bias, dtype, source, cluster), Limit(dtype), $"{variant} {m}×{n}×{k}");
        Comparison.RelativeL2(Int8Matmul.MultiplyPlain(a, b, null, ScalarType.Float32),
            Int8MatmulKernel.Multiply(a, b, null, dtype, source, cluster), Limit(dtype), $"{variant} {m}×{n}×{k}, no bias");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_GELU_and_quantization_agree_with_the_plain_form(TestMachine machine, string variant, long m, long n,
        long k, ScalarType dtype)
    {
        (KernelForm source, int? cluster) = Sources[variant];
        using TestDevice on = TestDevice.Of(machine, source);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        if (source == KernelForm.Sm90) n = RoundUp(n);
        (var a, var b, Tensor bias) = Operands(device, m, n, k, dtype);
        KernelConformance.PoisonMemory(device);
        KernelConformance.QuantizedGelu(Int8Matmul.MultiplyGeluPlain(a, b, bias, ScalarType.Float32),
            Int8MatmulKernel.MultiplyGelu(a, b, bias, bias.dtype, source, cluster), $"{variant} {m}×{n}×{k}");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_gate_and_residual_agree_with_the_plain_form(TestMachine machine, string variant, long m, long n,
        long k, ScalarType dtype)
    {
        (KernelForm source, int? cluster) = Sources[variant];
        using TestDevice on = TestDevice.Of(machine, source);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, m, n, k, dtype);
        long batch = m % 2 == 0 ? 2 : 1;
        Tensor residual = KernelConformance.Random(device, 4, dtype, batch, m / batch, n),
            gate = KernelConformance.Random(device, 5, ScalarType.Float32, batch, 1, n);
        KernelConformance.PoisonMemory(device);
        Comparison.RelativeL2(Int8Matmul.MultiplyAddPlain(a, b, bias, residual.to(ScalarType.Float32), gate, ScalarType.Float32),
            Int8MatmulKernel.MultiplyAdd(a, b, bias, residual, gate, source, cluster), Limit(dtype), $"{variant} {m}×{n}×{k}");
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_product_without_a_gate_is_added_to_the_residual(TestMachine machine, string variant)
    {
        (KernelForm source, int? cluster) = Sources[variant];
        using TestDevice on = TestDevice.Of(machine, source);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, 300, 392, 400, ScalarType.BFloat16);
        Tensor residual = KernelConformance.Random(device, 4, ScalarType.BFloat16, 2, 150, 392);
        KernelConformance.PoisonMemory(device);
        Comparison.RelativeL2(Int8Matmul.MultiplyAddPlain(a, b, bias, residual.to(ScalarType.Float32), null, ScalarType.Float32),
            Int8MatmulKernel.MultiplyAdd(a, b, bias, residual, null, source, cluster), Limit(ScalarType.BFloat16), variant);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Random_odd_shapes_agree_with_the_plain_form(TestMachine machine, string variant)
    {
        (KernelForm source, int? cluster) = Sources[variant];
        using TestDevice on = TestDevice.Of(machine, source);
        Device device = on.Device;
        var random = new Random(20);
        (int count, int largest) = machine == TestMachine.Emulator ? (1, 400) : (8, 3000);
        for (int i = 0; i < count; i++)
        {
            using var scope = NewDisposeScope();
            long m = random.Next(1, largest), n = random.Next(1, largest / 8) * 8, k = random.Next(1, largest / 16) * 16;
            (var a, var b, Tensor bias) = Operands(device, m, n, k, ScalarType.BFloat16);
            KernelConformance.PoisonMemory(device);
            Comparison.RelativeL2(Int8Matmul.MultiplyPlain(a, b, bias, ScalarType.Float32),
                Int8MatmulKernel.Multiply(a, b, bias, ScalarType.BFloat16, source, cluster), Limit(ScalarType.BFloat16),
                $"{variant} {m}×{n}×{k}");
            if (source == KernelForm.Sm90 && n % 16 != 0) continue;
            KernelConformance.QuantizedGelu(Int8Matmul.MultiplyGeluPlain(a, b, bias, ScalarType.Float32),
                Int8MatmulKernel.MultiplyGelu(a, b, bias, bias.dtype, source, cluster), $"{variant} {m}×{n}×{k}");
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void The_largest_sums_are_exact(TestMachine machine, string variant)
    {
        (KernelForm source, int? cluster) = Sources[variant];
        using TestDevice on = TestDevice.Of(machine, source);
        Device device = on.Device;
        foreach ((int left, int right) in new[] { (-128, -128), (127, -128) })
        {
            using var scope = NewDisposeScope();
            var a = (full([256, 512], left, ScalarType.Int8, device), ones(2, 4, ScalarType.Float32, device));
            var b = (full([256, 512], right, ScalarType.Int8, device), ones(2, 4, ScalarType.Float32, device));
            // Hopper's own kernel gives bfloat16; these are exact in it, too.
            Comparison.Exact(full([256, 256], 512.0 * left * right, ScalarType.BFloat16),
                Int8MatmulKernel.Multiply(a, b, null, ScalarType.BFloat16, source, cluster), $"{variant} {left}·{right}");
        }
    }

    [Theory]
    [MemberData(nameof(VariantsOnGpu))]
    public void Two_runs_give_the_same_bits(TestMachine machine, string variant)
    {
        (KernelForm source, int? cluster) = Sources[variant];
        using TestDevice on = TestDevice.Of(machine, source);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        (var a, var b, Tensor bias) = Operands(device, 2000, 1536, 1536, ScalarType.BFloat16);
        Tensor first = Int8MatmulKernel.Multiply(a, b, bias, ScalarType.BFloat16, source, cluster);
        for (int i = 0; i < 5; i++) Comparison.Exact(first, Int8MatmulKernel.Multiply(a, b, bias, ScalarType.BFloat16, source, cluster),
            $"run {i}");
    }

    // setmaxnreg: 2 warpgroups of 232 registers and one of 40 come out of 3 of 168.
    [Fact]
    public void The_launch_has_the_registers_that_the_warpgroups_claim()
    {
        CudaContext context = CudaContext.Of(KernelConformance.RequireSm90());
        KernelProgram[] programs = [.. KernelPrograms.All.Where(p => p.Name == "sm90_int8_matmul")];
        // All at once, those of the other tests too: they are cached.
        var spilled = programs.AsParallel().Select(p => (Program: p, Function: KernelFunction.Of(context, p)))
            .Where(p => p.Function is not { Registers: 168, LocalBytes: 0 })
            .Select(p => $"{p.Program}: {p.Function.Registers} registers, {p.Function.LocalBytes} bytes of local memory").ToArray();
        Assert.True(spilled.Length == 0, string.Join('\n', spilled));
    }

    // Of int8 results, which the copy engine stores by rows.
    private static long RoundUp(long columns) => (columns + 15) / 16 * 16;

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
