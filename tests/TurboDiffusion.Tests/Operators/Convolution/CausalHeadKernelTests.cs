using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Operators.Normalization;
using Xunit;
using static TorchSharp.torch;
using static TurboDiffusion.Tests.Operators.KernelConformance;

namespace TurboDiffusion.Tests.Operators.Convolution;

/// <summary>causal_head agrees with its plain twin, and that with a norm, SiLU and a convolution over time.</summary>
[Trait("Category", "Gpu")]
public class CausalHeadKernelTests
{
    [Theory]
    // A pixel; tiles that reach out of the frame, one after another; frames before, in part or not at all.
    [KernelCase(1, 1, 1, 32, 3)]
    [KernelCase(2, 17, 19, 64, 1)]
    [KernelCase(3, 16, 33, 96, 3)]
    [KernelCase(1, 5, 16, 96, 5)]
    [KernelCase(4, 480, 832, 96, 3, GpuOnly = true)]
    [KernelCase(4, 361, 637, 96, 3, GpuOnly = true)]
    public void Chunks_agree_with_the_plain_form(TestMachine machine, long frames, long height, long width, long channels, long outputs)
    {
        using TestDevice on = TestDevice.Of(machine);
        using var scope = NewDisposeScope();
        Tensor Draw(ulong seed, params long[] shape) => KernelConformance.Random(on.Device, seed, ScalarType.BFloat16, shape);
        Tensor weight = Draw(1, outputs, channels, 3, 3, 3) / Math.Sqrt(27 * channels), bias = Draw(2, outputs),
            gamma = Draw(3, channels).to_type(ScalarType.Float32) * Math.Sqrt(channels);
        using CausalHead.Prepared layer = CausalHead.Prepare(weight, bias, gamma),
            plain = CausalHead.Prepare(Exact(weight), Exact(bias), Exact(gamma));
        (Tensor? expectedPast, Tensor? past) = (null, null);
        foreach (long count in new[] { 1, frames, 2 })
        {
            Tensor x = Draw((ulong)(4 + count), count, height, width, channels) * 3;
            // A pixel of zeros has no direction.
            x[0, 0, 0] = 0;
            (Tensor expected, expectedPast) = CausalHead.RunPlain(Exact(x), plain, expectedPast);
            KernelConformance.PoisonMemory(on.Device);
            (Tensor actual, past) = CausalHeadKernel.Run(x, layer, past);
            Assert.Equal([outputs, count, height, width], actual.shape);
            Comparison.RelativeL2(expected, actual, 4e-3, $"chunk of {count}");
            Comparison.Elementwise(expected, actual, 1e-2, 2e-2, $"chunk of {count}");
            Comparison.RelativeL2(expectedPast, past, 4e-3, $"what a chunk of {count} adds to the next");
        }
    }

    [Fact]
    public void The_plain_form_is_a_norm_an_activation_and_a_convolution_over_time()
    {
        using var scope = NewDisposeScope();
        Tensor Draw(ulong seed, params long[] shape) => randn(shape, generator: new Generator(seed));
        (Tensor weight, Tensor bias, Tensor gamma) = (Draw(1, 3, 32, 3, 3, 3), Draw(2, 3), Draw(3, 32));
        Tensor x = Draw(4, 7, 5, 6, 32);
        Tensor frames = stack(RmsSilu.RunPlain(x, gamma), 0).permute(3, 0, 1, 2).unsqueeze(0);
        Tensor expected = nn.functional.conv3d(nn.functional.pad(frames, [1, 1, 1, 1, 2, 0]), weight, bias).squeeze(0);
        using CausalHead.Prepared layer = CausalHead.Prepare(weight, bias, gamma);
        Tensor? past = null;
        var chunks = new List<Tensor>();
        foreach (Tensor chunk in x.split([1, 4, 2], 0))
        {
            (Tensor y, past) = CausalHead.Run(chunk, layer, past);
            chunks.Add(y);
        }
        Comparison.Elementwise(expected, cat(chunks, 1), 1e-4, 1e-4, "frames");
    }
}
