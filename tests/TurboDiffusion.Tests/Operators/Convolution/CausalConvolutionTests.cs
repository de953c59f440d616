using TurboDiffusion.Models.Vae;
using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Convolution;

public class CausalConvolutionTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(0, 3)]
    [InlineData(1, 2)]
    [InlineData(2, 4)]
    public void Past_frames_that_are_not_there_are_zeros(int past, int count)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var layer = new CausalConv3d(5, 7, 3, 3, Placement.Cpu);
        (Tensor weight, Tensor bias) = (layer.get_parameter("weight")!, layer.get_parameter("bias")!);
        weight.copy_(randn(weight.shape, generator: new Generator(1)));
        bias.copy_(randn(bias.shape, generator: new Generator(2)));
        Tensor[] frames = [.. Enumerable.Range(0, past + count).Select(i => randn([4, 6, 5], generator: new Generator((ulong)i + 3)))];
        Tensor residual = randn([count, 4, 6, 7], generator: new Generator(99));
        Tensor all = layer.forward(stack(frames, 0).permute(3, 0, 1, 2).unsqueeze(0), null).squeeze(0).permute(1, 2, 3, 0);
        Tensor expected = all.narrow(0, past, count) + residual;
        CausalConvolution.Epilogue epilogue = new(bias, residual);
        Tensor packed = CausalConvolution.Pack(weight);
        Comparison.Elementwise(expected, CausalConvolution.Run(frames, count, packed, epilogue), 1e-4, 1e-4, "sum");
        using ConvolutionWeights filled = CausalConvolution.Prepare(weight, bias);
        Assert.Equal([3L, 3, 3, 32, 32], filled.Packed.shape);
        Tensor[] wide = [.. CausalConvolution.Fill(stack(frames, 0), 3).unbind(0)];
        Comparison.Elementwise(expected, CausalConvolution.RunLayer(wide, count, filled, 7, residual), 1e-4, 1e-4, "layer");
        Comparison.Elementwise(all.narrow(0, past, count), CausalConvolution.RunLayer(wide, count, filled, 7, null), 1e-4, 1e-4, "alone");
    }

    // Of three channels, the pixels around take the place of zeros.
    [Theory]
    [InlineData(3, 3, 1)]
    [InlineData(2, 2, 1)]
    [InlineData(4, 3, 3)]
    [InlineData(32, 3, 3)]
    public void Filled_frames_give_what_the_layer_gives(long channels, long kernel, long launched)
    {
        using var scope = NewDisposeScope();
        Tensor weight = randn([5, channels, 3, kernel, kernel], generator: new Generator(1)), bias = randn(5, generator: new Generator(2));
        Tensor frames = randn([4, 6, 7, channels], generator: new Generator(3));
        using ConvolutionWeights filled = CausalConvolution.Prepare(weight, bias);
        Assert.Equal([3L, launched, launched, 32, 32], filled.Packed.shape);
        Tensor[] wide = [.. CausalConvolution.Fill(frames, kernel).unbind(0)];
        Assert.All(wide, frame => Assert.Equal([6L, 7, 32], frame.shape));
        // Of an even kernel, one pixel more before than after.
        long before = kernel / 2, after = kernel - 1 - before;
        Tensor padded = nn.functional.pad(frames.permute(3, 0, 1, 2).unsqueeze(0), [before, after, before, after, 2, 0]);
        Tensor expected = nn.functional.conv3d(padded, weight, bias).squeeze(0).permute(1, 2, 3, 0);
        Comparison.Elementwise(expected, CausalConvolution.RunLayer(wide, 4, filled, 5, null), 1e-4, 1e-4, "layer");
    }

    // One frame of the past, as the kernel spans three.
    [Theory]
    [InlineData(1, 1)]
    [InlineData(9, 2)]
    public void Every_other_frame_is_that_of_a_convolution_over_time(int count, int launches)
    {
        using var scope = NewDisposeScope();
        Tensor Draw(ulong seed, params long[] shape) => randn(shape, generator: new Generator(seed));
        (Tensor x, Tensor weight, Tensor bias) = (Draw(1, 1, 5, 1 + 2 * count, 4, 6), Draw(2, 7, 5, 3, 1, 1), Draw(3, 7));
        Tensor expected = nn.functional.conv3d(x, weight, bias, [2, 1, 1]).squeeze(0).permute(1, 2, 3, 0);
        Tensor[] frames = [.. x.squeeze(0).permute(1, 2, 3, 0).contiguous().unbind(0)];
        (Tensor packed, CausalConvolution.Epilogue epilogue) = (CausalConvolution.Pack(weight), new(bias, null));
        Comparison.Elementwise(expected, CausalConvolution.Run(frames, count, packed, epilogue, 2), 1e-4, 1e-4, "frames");
        Comparison.Elementwise(expected, InParts(launches, frames, count, packed, epilogue, 2), 1e-4, 1e-4, "parts");
    }

    [Theory]
    [InlineData(0, 8, 1)]
    [InlineData(0, 9, 2)]
    [InlineData(2, 17, 3)]
    [InlineData(1, 16, 2)]
    public void Launches_of_a_long_chunk_are_the_whole(int past, int count, int launches)
    {
        using var scope = NewDisposeScope();
        Tensor Draw(ulong seed, params long[] shape) => randn(shape, generator: new Generator(seed));
        Tensor[] frames = [.. Enumerable.Range(0, past + count).Select(i => Draw((ulong)i + 3, 4, 6, 5))];
        Tensor packed = CausalConvolution.Pack(Draw(1, 7, 5, 3, 3, 3));
        CausalConvolution.Epilogue epilogue = new(Draw(2, 7), Draw(99, count, 4, 6, 7));
        Comparison.Elementwise(CausalConvolution.RunPlain(frames, count, packed, epilogue),
            InParts(launches, frames, count, packed, epilogue), 1e-5, 1e-5, "sum");
    }

    // What so many launches give, one after the other.
    private static Tensor InParts(int launches, Tensor[] frames, int count, Tensor packed, CausalConvolution.Epilogue epilogue,
        int frameStride = 1)
    {
        Tensor[] parts = [.. CausalConvolution.Parts(frames, count, packed, epilogue, frameStride)
            .Select(part => CausalConvolution.RunPlain(part.Frames, part.Count, packed, part.Epilogue, frameStride))];
        Assert.Equal(launches, parts.Length);
        return cat(parts, 0);
    }
}
