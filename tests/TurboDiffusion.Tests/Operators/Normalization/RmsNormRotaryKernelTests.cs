using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Normalization;

/// <summary>rms_norm_rotary agrees with its plain twin, computed in float32.</summary>
public class RmsNormRotaryKernelTests
{
    private const double Eps = 1e-6;

    [Theory]
    [KernelCase(1, 1, 8, ScalarType.Float32, 1e-6)]
    [KernelCase(12, 1, 128, ScalarType.Float32, 1e-6)]
    [KernelCase(12, 2, 128, ScalarType.BFloat16, 3e-3)]
    [KernelCase(40, 1, 128, ScalarType.BFloat16, 3e-3)]
    [KernelCase(3, 2, 64, ScalarType.BFloat16, 3e-3)]
    public void Norm_and_rotation_agree_with_the_plain_form(TestMachine machine, int heads, int batch, int headDim,
        ScalarType dtype, double limit)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using RotaryEmbedding rotary = RotaryEmbedding.Create(headDim, 3, 5, 7, device);
        using RmsNorm queryNorm = Norm(heads * headDim, dtype, 1, device), keyNorm = Norm(heads * headDim, dtype, 2, device);
        using RmsNorm wideQueryNorm = Norm(heads * headDim, ScalarType.Float32, 1, device),
            wideKeyNorm = Norm(heads * headDim, ScalarType.Float32, 2, device);
        // The values that the narrow weights have.
        wideQueryNorm.Weight.copy_(queryNorm.Weight);
        wideKeyNorm.Weight.copy_(keyNorm.Weight);
        Tensor q = KernelConformance.Random(device, 3, dtype, batch, 105, heads * headDim) * 5,
            k = KernelConformance.Random(device, 4, dtype, batch, 105, heads * headDim);
        (Tensor expectedQ, Tensor expectedK) = new QueryKeyTransform(wideQueryNorm.Weight, wideKeyNorm.Weight, rotary, Eps)
            .ApplyPlain(q.to(ScalarType.Float32), k.to(ScalarType.Float32));
        KernelConformance.PoisonMemory(device);
        (Tensor actualQ, Tensor actualK) = RmsNormRotaryKernel.Run(q, k, queryNorm.Weight, keyNorm.Weight, rotary.Cosines, rotary.Sines,
            headDim, Eps);
        Assert.Equal(dtype, actualQ.dtype);
        Comparison.RelativeL2(expectedQ, actualQ, limit, "q");
        Comparison.RelativeL2(expectedK, actualK, limit, "k");
    }

    [Theory]
    [KernelCase]
    public void Without_rotations_it_is_the_norm_alone(TestMachine machine)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using RmsNorm norm = Norm(1536, ScalarType.Float32, 1, device);
        Tensor q = KernelConformance.Random(device, 3, ScalarType.Float32, 2, 33, 1536), zero = zeros_like(q);
        (Tensor actual, Tensor nothing) = RmsNormRotaryKernel.Run(q, zero, norm.Weight, norm.Weight, null, null, 128, Eps);
        Comparison.RelativeL2(norm.call(q).unflatten(2, [-1, 128]), actual, 1e-6, "normed");
        Comparison.Exact(zeros_like(actual), nothing, "zeros");
    }

    private static RmsNorm Norm(long features, ScalarType dtype, ulong seed, Device device)
    {
        var norm = new RmsNorm(features, Eps, new Placement(device, dtype));
        using Tensor values = KernelConformance.Random(device, seed, dtype, features);
        norm.Weight.copy_(values);
        return norm;
    }
}
