using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;
using static TurboDiffusion.Tests.Operators.KernelConformance;

namespace TurboDiffusion.Tests.Operators.Convolution;

/// <summary>sm90_causal_convolution agrees with its plain twins, in every tuning.</summary>
[Trait("Category", "Gpu")]
public class Sm90CausalConvolutionKernelTests
{
    [Theory]
    // One pixel; tiles that reach out of the frame; several for each thread block; past that is there, in part or not at all.
    [KernelCase(1, 1, 1, 32, 96, 3, 3, 0, false)]
    [KernelCase(2, 17, 19, 32, 96, 3, 3, 1, true)]
    [KernelCase(3, 20, 37, 64, 128, 3, 3, 2, true)]
    [KernelCase(1, 18, 16, 96, 192, 1, 3, 0, true)]
    [KernelCase(2, 5, 33, 32, 192, 3, 1, 1, false)]
    [KernelCase(1, 16, 31, 64, 256, 1, 1, 0, true)]
    [KernelCase(2, 15, 33, 64, 32, 3, 3, 1, false)]
    [KernelCase(2, 17, 20, 64, 64, 2, 3, 1, true, true)]
    [KernelCase(1, 15, 17, 32, 64, 1, 3, 0, false, true)]
    [KernelCase(4, 480, 832, 96, 32, 3, 3, 2, false, GpuOnly = true)]
    [KernelCase(4, 480, 832, 96, 96, 3, 3, 2, true, GpuOnly = true)]
    [KernelCase(2, 120, 208, 192, 384, 1, 1, 0, false, GpuOnly = true)]
    [KernelCase(4, 64, 96, 96, 96, 3, 3, 0, true, GpuOnly = true)]
    [KernelCase(4, 61, 104, 192, 192, 3, 3, 2, true, GpuOnly = true)]
    [KernelCase(8, 60, 104, 384, 384, 3, 3, 2, false, GpuOnly = true)]
    [KernelCase(2, 120, 208, 384, 768, 3, 1, 1, false, GpuOnly = true)]
    [KernelCase(8, 240, 416, 64, 64, 2, 3, 1, true, true, GpuOnly = true)]
    [KernelCase(2, 60, 104, 256, 256, 2, 3, 0, true, true, GpuOnly = true)]
    public void Sums_agree_with_the_plain_form(TestMachine machine, int frames, long height, long width, long channels, long outputs,
        int kernelFrames, int kernel, int past, bool hasResidual, bool relu = false)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        Case c = new(on.Device, frames, height, width, channels, outputs, kernelFrames, kernel, past, hasResidual, relu);
        Tensor expected = CausalConvolution.RunPlain([.. c.Frames.Select(Exact)], frames, Exact(c.Packed), c.ExactEpilogue);
        foreach (Sm90CausalConvolutionKernel.Tuning tuning in Sm90CausalConvolutionKernel.Tuning.All(c.Launch))
        {
            KernelConformance.PoisonMemory(on.Device);
            Tensor actual = Sm90CausalConvolutionKernel.Run(c.Frames, frames, c.Packed, c.Epilogue, tuning);
            Assert.Equal(ScalarType.BFloat16, actual.dtype);
            Comparison.RelativeL2(expected, actual, 4e-3, $"sum, {tuning}");
            Comparison.Elementwise(expected, actual, 1e-2, 2e-2, $"sum, {tuning}");
        }
    }

    [Theory]
    [KernelCase(1, 1, 1, 32, 96)]
    [KernelCase(2, 17, 19, 64, 96)]
    [KernelCase(1, 5, 17, 64, 64, true)]
    [KernelCase(1, 8, 17, 64, 192, GpuOnly = true)]
    [KernelCase(4, 61, 104, 192, 96, GpuOnly = true)]
    [KernelCase(4, 60, 104, 384, 192, GpuOnly = true)]
    [KernelCase(4, 240, 416, 64, 64, true, GpuOnly = true)]
    public void Four_pixels_of_each_agree_with_the_enlarged_frame(TestMachine machine, int frames, long height, long width, long channels,
        long outputs, bool relu = false)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        Tensor Draw(ulong seed, params long[] shape) => KernelConformance.Random(on.Device, seed, ScalarType.BFloat16, shape);
        Tensor x = Draw(1, frames, channels, height, width), weight = Draw(2, outputs, channels, 3, 3) / Math.Sqrt(9 * channels),
            bias = Draw(3, outputs);
        Tensor packed = UpsampleConvolution.Pack(weight), folded = UpsampleConvolution.Fold(weight);
        // Of the same weights, summed and rounded.
        Tensor expected = UpsampleConvolution.RunFolded(Exact(x), Exact(folded), Exact(bias));
        Comparison.RelativeL2(UpsampleConvolution.RunPlain(Exact(x), Exact(weight), Exact(bias)), expected, 4e-3, "folded");
        if (relu) expected = expected.relu();
        Tensor[] pixels = [.. x.permute(0, 2, 3, 1).contiguous().unbind(0)];
        foreach (Sm90CausalConvolutionKernel.Tuning tuning in Sm90CausalConvolutionKernel.Tuning.All(
                     new(new(frames, height, width, channels, outputs, 1, 2, ScalarType.BFloat16), 4, Residual: false, Relu: relu)))
        {
            KernelConformance.PoisonMemory(on.Device);
            Tensor actual = Sm90CausalConvolutionKernel.RunEnlarged(pixels, packed, Wide(bias), tuning, relu).permute(0, 3, 1, 2);
            Comparison.RelativeL2(expected, actual, 4e-3, $"kernel, {tuning}");
        }
    }

    [Theory]
    [KernelCase(1, 2, 2, 32, 96)]
    [KernelCase(2, 34, 38, 32, 96)]
    [KernelCase(1, 18, 32, 96, 192)]
    [KernelCase(4, 480, 832, 96, 96, GpuOnly = true)]
    [KernelCase(9, 60, 104, 384, 384, GpuOnly = true)]
    public void Halved_frames_agree_with_the_plain_form(TestMachine machine, int frames, long height, long width, long channels,
        long outputs)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        Tensor Draw(ulong seed, params long[] shape) => KernelConformance.Random(on.Device, seed, ScalarType.BFloat16, shape);
        Tensor x = Draw(1, frames, channels, height, width), weight = Draw(2, outputs, channels, 3, 3) / Math.Sqrt(9 * channels),
            bias = Wide(Draw(3, outputs)), packed = DownsampleConvolution.Pack(weight);
        Tensor expected = DownsampleConvolution.RunPlain(Exact(x), Exact(weight), Exact(bias));
        KernelConformance.PoisonMemory(on.Device);
        Comparison.RelativeL2(expected, DownsampleConvolution.RunKernel(x, packed, bias), 4e-3, "kernel");
        if (frames > Sm90CausalConvolutionKernel.MostFrames) return;
        Tensor[] pixels = [.. x.permute(0, 2, 3, 1).contiguous().unbind(0)];
        foreach (Sm90CausalConvolutionKernel.Tuning tuning in Sm90CausalConvolutionKernel.Tuning.All(
                     new(new(frames, height / 2, width / 2, 2 * channels, outputs, 2, 2, ScalarType.BFloat16), 1, false, 2)))
        {
            KernelConformance.PoisonMemory(on.Device);
            Tensor actual = Sm90CausalConvolutionKernel.RunHalved(pixels, packed, bias, tuning).permute(0, 3, 1, 2);
            Comparison.RelativeL2(expected, actual, 4e-3, $"kernel, {tuning}");
        }
    }

    [Theory]
    [KernelCase(1, 1, 1, 32, 96)]
    [KernelCase(3, 17, 19, 64, 96)]
    [KernelCase(2, 120, 208, 192, 192, GpuOnly = true)]
    [KernelCase(8, 60, 104, 384, 384, GpuOnly = true)]
    public void Every_other_frame_agrees_with_the_plain_form(TestMachine machine, int count, long height, long width, long channels,
        long outputs)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        Case c = new(on.Device, 1 + count, height, width, channels, outputs, 3, 1, count, false);
        Tensor expected = CausalConvolution.RunPlain([.. c.Frames.Select(Exact)], count, Exact(c.Packed), c.ExactEpilogue, 2);
        KernelConformance.PoisonMemory(on.Device);
        Tensor actual = Sm90CausalConvolutionKernel.Run(c.Frames, count, c.Packed, c.Epilogue, null, 2);
        Assert.Equal([count, height, width, outputs], actual.shape);
        Comparison.RelativeL2(expected, actual, 4e-3, "sum");
    }

    private static Tensor Wide(Tensor x) => x.to_type(ScalarType.Float32);

    private sealed class Case(Device device, int frames, long height, long width, long channels, long outputs, int kernelFrames,
        int kernel, int past, bool hasResidual, bool relu = false)
    {
        private readonly Tensor _bias = Wide(KernelConformance.Random(device, 1, ScalarType.BFloat16, outputs));

        private readonly Tensor? _residual = hasResidual
            ? KernelConformance.Random(device, 2, ScalarType.BFloat16, frames, height, width, outputs)
            : null;

        public Tensor[] Frames { get; } = [.. Enumerable.Range(0, past + frames).Select(i =>
            KernelConformance.Random(device, (ulong)i + 10, ScalarType.BFloat16, height, width, channels))];

        public Tensor Packed { get; } = CausalConvolution.Pack(
            KernelConformance.Random(device, 3, ScalarType.BFloat16, outputs, channels, kernelFrames, kernel, kernel)
                / Math.Sqrt(kernelFrames * kernel * kernel * channels));

        public CausalConvolution.Epilogue Epilogue => new(_bias, _residual, relu);

        public CausalConvolution.Epilogue ExactEpilogue => new(Exact(_bias), _residual is null ? null : Exact(_residual), relu);

        public Sm90CausalConvolutionKernel.Launch Launch => new(
            new(frames, height, width, channels, outputs, kernelFrames, kernel, ScalarType.BFloat16), 1, hasResidual, Relu: relu);
    }
}
