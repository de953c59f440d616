using TorchSharp;
using TurboDiffusion.Operators.Attention;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Attention;

/// <summary>Attention in parts agrees with torch's own.</summary>
[Trait("Category", "Gpu")]
public class WideAttentionTests
{
    [Theory]
    // One part, parts of the same size, and a last one that is smaller.
    [InlineData(1, 5, 48, 1 << 20)]
    [InlineData(2, 256, 16, 1)]
    [InlineData(1, 300, 384, 200_000)]
    public void Parts_are_the_whole(long batch, long length, long dim, long partBytes)
    {
        using var scope = NewDisposeScope();
        Tensor[] qkv = [.. randn([batch, length, 3 * dim], generator: new Generator(1)).chunk(3, -1)];
        Tensor expected = WideAttention.RunPlain(qkv[0] * 2, qkv[1], qkv[2]);
        Comparison.Elementwise(expected, WideAttention.RunInParts(qkv[0] * 2, qkv[1], qkv[2], partBytes), 1e-4, 1e-5, "attention");
    }

    // Sharp attention too: scores of some tens.
    [Theory]
    [InlineData(60, 104, 1)]
    [InlineData(60, 104, 8)]
    [InlineData(90, 160, 3)]
    public void On_a_gpu_parts_are_as_close_to_float32_as_the_plain_form(long height, long width, double sharpness)
    {
        Device device = KernelConformance.RequireGpu();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor[] qkv = [.. (KernelConformance.Random(device, 1, ScalarType.Float32, 1, height * width, 3 * 384) * Math.Sqrt(sharpness))
            .to_type(ScalarType.BFloat16).chunk(3, -1)];
        Tensor exact = WideAttention.RunPlain(qkv[0].to_type(ScalarType.Float32), qkv[1].to_type(ScalarType.Float32),
            qkv[2].to_type(ScalarType.Float32));
        double plain = Comparison.RelativeL2(exact, WideAttention.RunPlain(qkv[0], qkv[1], qkv[2]), 1e-2, "plain");
        Comparison.RelativeL2(exact, WideAttention.Run(qkv[0], qkv[1], qkv[2]), plain + 2e-3, "in parts");
    }
}
