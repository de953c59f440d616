using System.Globalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators;

/// <summary>What the tests of the kernels share.</summary>
internal static class KernelConformance
{
    /// <summary>The GPU, or a skip where there is none.</summary>
    public static Device RequireGpu()
    {
        RequiredGpu.Check();
        return Devices.Parse("cuda");
    }

    /// <summary>A Hopper GPU, or a skip on others.</summary>
    public static Device RequireSm90()
    {
        Device device = RequireGpu();
        Assert.SkipUnless(KernelMachine.Best(0).Form == KernelForm.Sm90,
            $"the GPU is not a Hopper that compiles its kernels: {KernelMachine.Best(0)}");
        return device;
    }

    /// <summary>Fills the memory that the next tensors will be given, so that an element that is not written shows.</summary>
    public static void PoisonMemory(Device device)
    {
        using var scope = NewDisposeScope();
        foreach (long size in new long[] { 1 << 9, 1 << 12, 1 << 16, 1 << 19, 1 << 22, 1 << 25 })
            _ = full([size / 4], float.NaN, ScalarType.Float32, device);
    }

    /// <summary>
    /// In float32 on the CPU, for the plain form of a convolution: on a GPU that is cuDNN's, in TF32, and the sanitizers end at its
    /// kernels.
    /// </summary>
    public static Tensor Exact(Tensor x) => x.to_type(ScalarType.Float32).cpu();

    /// <summary>Fresh numbers that are the same in every run.</summary>
    public static Tensor Random(Device device, ulong seed, ScalarType dtype, params long[] shape) =>
        randn(shape, generator: new Generator(seed)).to(dtype, device);

    /// <summary>
    /// As <see cref="Quantized"/> of values after GELU, whose hyperbolic tangent the kernels take to 2⁻¹¹: that is a quarter of
    /// bfloat16's rounding, and 0.03 of a step of the largest value at most.
    /// </summary>
    public static void QuantizedGelu((Tensor Values, Tensor Scales) expected, (Tensor Values, Tensor Scales) actual, string what) =>
        Quantized(expected, actual, what, scaleTolerance: 5e-4, oneIn: 100);

    /// <summary>
    /// Scales agree to float32 rounding, and int8 values exactly except that one in so many may be a step away, where
    /// the value before rounding lies on the edge between two.
    /// </summary>
    public static void Quantized((Tensor Values, Tensor Scales) expected, (Tensor Values, Tensor Scales) actual, string what,
        double scaleTolerance = 1e-5, long oneIn = 1000)
    {
        Comparison.Elementwise(expected.Scales, actual.Scales, scaleTolerance, 1e-12, what + ": scales");
        using var scope = NewDisposeScope();
        Comparison.Elementwise(expected.Values, actual.Values, 0, 1, what + ": values");
        Tensor difference = (expected.Values.cpu().to_type(ScalarType.Int32) - actual.Values.cpu().to_type(ScalarType.Int32)).abs();
        long moved = difference.gt(0).sum().item<long>(), all = difference.numel();
        Assert.True(moved <= all / oneIn + 1,
            string.Create(CultureInfo.InvariantCulture, $"{what}: {moved} of {all} values are a step away"));
    }
}
