using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Linear;

/// <summary>block_int8_quantize and sm90_block_int8_quantize agree with their plain twin.</summary>
[Trait("Category", "Gpu")]
public class BlockInt8QuantizeKernelTests
{
    public static IEnumerable<ITheoryDataRow> Shapes =>
        from dtype in new[] { ScalarType.BFloat16, ScalarType.Float32 }
        from shape in new (long Batch, long Length, long Columns)[] { (1, 1, 8), (1, 128, 128), (1, 130, 264), (2, 65, 1000), (2, 65, 1536),
            (3, 77, 5120), (2, 200, 3080), (1, 300, 6144), (1, 1000, 8960) }
        from row in KernelCaseAttribute.Rows(gpuOnly: shape.Columns > 1000, shape.Batch, shape.Length, shape.Columns, dtype)
        select row;

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Quantization_agrees_with_the_plain_form(TestMachine machine, long batch, long length, long columns,
        ScalarType dtype)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        Tensor x = KernelConformance.Random(device, 1, dtype, batch * length, columns);
        KernelConformance.PoisonMemory(device);
        KernelConformance.Quantized(BlockInt8.QuantizePlain(x), BlockInt8QuantizeKernel.Run(x), $"[{batch * length}, {columns}] {dtype}");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Quantization_after_modulation_agrees_with_the_plain_form(TestMachine machine, long batch, long length, long columns,
        ScalarType dtype)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        // A mean far from zero, as the residual stream has.
        Tensor x = KernelConformance.Random(device, 2, dtype, batch, length, columns) * 3 + 20;
        Tensor scale = KernelConformance.Random(device, 3, ScalarType.Float32, batch, 1, columns),
            shift = KernelConformance.Random(device, 4, ScalarType.Float32, batch, 1, columns);
        KernelConformance.PoisonMemory(device);
        var norm = Norm.Modulated(scale, shift, 1e-6);
        foreach (KernelForm form in Forms(machine, batch * length, columns, dtype))
            KernelConformance.Quantized(BlockInt8.QuantizePlain(x, norm, ScalarType.Float32), BlockInt8QuantizeKernel.Run(x, norm, form),
                $"[{batch}, {length}, {columns}] {dtype}, {form}", scaleTolerance: 1e-4);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Quantization_after_a_norm_with_weights_agrees_with_the_plain_form(TestMachine machine, long batch,
        long length, long columns, ScalarType dtype)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        Tensor x = KernelConformance.Random(device, 2, dtype, batch, length, columns) * 3 + 20;
        Tensor weight = KernelConformance.Random(device, 3, dtype, columns), bias = KernelConformance.Random(device, 4, dtype, columns);
        KernelConformance.PoisonMemory(device);
        var norm = new Norm(weight, bias, Offset: 0, 1e-6);
        foreach (KernelForm form in Forms(machine, batch * length, columns, dtype))
            KernelConformance.Quantized(BlockInt8.QuantizePlain(x, norm, ScalarType.Float32), BlockInt8QuantizeKernel.Run(x, norm, form),
                $"[{batch}, {length}, {columns}] {dtype}, {form}", scaleTolerance: 1e-4);
    }

    [Theory]
    [KernelCase(0)]
    [KernelCase(3)]
    [KernelCase(1e-30)]
    [KernelCase(-3e38)]
    public void All_equal_values_quantize_as_in_the_plain_form(TestMachine machine, double value)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        Tensor x = full([200, 136], value, ScalarType.BFloat16, device);
        KernelConformance.Quantized(BlockInt8.QuantizePlain(x), BlockInt8QuantizeKernel.Run(x), $"all {value}");
        Tensor shift = KernelConformance.Random(device, 5, ScalarType.Float32, 1, 1, 136);
        if (Math.Abs(value) < 1e30)
            KernelConformance.Quantized(BlockInt8.QuantizePlain(shift.expand(1, 200, 136).flatten(0, 1)),
                BlockInt8QuantizeKernel.Run(x.unsqueeze(0), Norm.Modulated(zeros_like(shift), shift, 1e-6),
                    Forms(machine, 200, 136, x.dtype)[^1]),
                $"normalised, all {value}");
    }

    [Theory]
    [KernelCase]
    public void Matrices_that_are_not_contiguous_and_modulations_that_are_slices_are_taken(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        Tensor x = KernelConformance.Random(device, 6, ScalarType.BFloat16, 2, 136, 70).transpose(1, 2);
        Tensor[] parts = KernelConformance.Random(device, 7, ScalarType.Float32, 2, 6, 136).chunk(6, dim: 1);
        var norm = Norm.Modulated(parts[1], parts[0], 1e-6);
        foreach (KernelForm form in Forms(machine, 140, 136, x.dtype))
            KernelConformance.Quantized(BlockInt8.QuantizePlain(x, norm, ScalarType.Float32), BlockInt8QuantizeKernel.Run(x, norm, form),
                $"strided, {form}", scaleTolerance: 1e-4);
    }

    // The portable kernel, and Hopper's own where it does the problem.
    private static KernelForm[] Forms(TestMachine machine, long rows, long columns, ScalarType dtype)
    {
        KernelChoice offered = machine == TestMachine.Emulator ? new(KernelForm.Sm90, "emulated") : KernelMachine.Best(0);
        return [.. new[] { KernelForm.Portable, BlockInt8QuantizeKernel.Choose(offered, new(rows, columns, dtype, true)).Form }.Distinct()];
    }
}
