using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Convolution;

/// <summary>
/// A 3×3 convolution that halves height and width, of a frame with a row and a column of zeros after its last. To Hopper's kernel, the
/// even and the odd rows are two frames, and two neighbouring columns the channels of one: nothing is padded or put in order.
/// </summary>
internal static class DownsampleConvolution
{
    /// <summary>The weights of a layer in the form that runs.</summary>
    /// <param name="IsKernel">Whether that is the kernel.</param>
    /// <param name="Weights">As it reads them.</param>
    public sealed record Prepared(bool IsKernel, ConvolutionWeights Weights) : IDisposable
    {
        public void Dispose() => Weights.Dispose();
    }

    /// <summary>Which form runs.</summary>
    /// <param name="offered">What the machine offers for <see cref="KernelOperator.CausalConvolution"/>.</param>
    /// <param name="p">Of the halved frame, with twice the channels.</param>
    public static KernelChoice Choose(KernelChoice offered, CausalConvolution.Problem p) => CausalConvolution.Choose(offered, p)
        .Require(p.Channels % 64 == 0, "the kernel takes multiples of 32 channels of two columns");

    /// <summary>The problem of a frame, as the kernel sees it.</summary>
    /// <param name="height">Rows, an even number.</param>
    /// <param name="width">Columns, an even number.</param>
    /// <param name="channels">Channels of the frame.</param>
    /// <param name="outputs">Channels of the halved one.</param>
    /// <param name="dtype">The element type.</param>
    public static CausalConvolution.Problem Halved(long height, long width, long channels, long outputs, ScalarType dtype) =>
        new(1, height / 2, width / 2, 2 * channels, outputs, 2, 2, dtype);

    /// <summary>A layer's weights for the frames of a clip, in the form that runs for such frames; in no dispose scope.</summary>
    /// <param name="x"><c>[N, C, H, W]</c></param>
    /// <param name="weight"><c>[O, C, 3, 3]</c></param>
    /// <param name="bias"><c>[O]</c></param>
    public static Prepared Prepare(Tensor x, Tensor weight, Tensor bias)
    {
        using var scope = NewDisposeScope();
        long[] s = x.shape;
        bool isKernel = s[2] % 2 == 0 && s[3] % 2 == 0 && Choose(KernelMachine.Offer(KernelOperator.CausalConvolution, x),
            Halved(s[2], s[3], s[1], bias.size(0), x.dtype)).IsKernel;
        return new(isKernel, isKernel
            ? ConvolutionWeights.Of(Pack(weight.detach()), bias, ScalarType.Float32)
            : ConvolutionWeights.Of(weight.detach(), bias, bias.dtype));
    }

    /// <summary>Runs it, without gradients.</summary>
    /// <param name="x"><c>[N, C, H, W]</c></param>
    /// <param name="layer">From <see cref="Prepare"/>.</param>
    /// <returns><c>[N, O, H/2, W/2]</c></returns>
    public static Tensor Run(Tensor x, Prepared layer) => layer.IsKernel
        ? RunKernel(x, layer.Weights.Packed, layer.Weights.Bias)
        : RunPlain(x, layer.Weights.Packed, layer.Weights.Bias);

    /// <summary>The plain form, with gradients.</summary>
    /// <param name="x"><c>[N, C, H, W]</c></param>
    /// <param name="weight"><c>[O, C, 3, 3]</c></param>
    /// <param name="bias"><c>[O]</c></param>
    /// <returns><c>[N, O, H/2, W/2]</c></returns>
    public static Tensor RunPlain(Tensor x, Tensor weight, Tensor bias)
    {
        using var scope = NewDisposeScope();
        return TorchConvolution.Run(nn.functional.pad(x, [0, 1, 0, 1]), weight, bias, [2, 2], [0, 0]).MoveToOuterDisposeScope();
    }

    /// <summary>The weights of <see cref="RunKernel"/>.</summary>
    /// <param name="weight"><c>[O, C, 3, 3]</c></param>
    /// <returns><c>[2, columns, rows, O, 2·C]</c>, contiguous: of the even rows first; of two columns the even one first.</returns>
    public static Tensor Pack(Tensor weight)
    {
        using var scope = NewDisposeScope();
        (long outputs, long channels) = (weight.size(0), weight.size(1));
        // A fourth row and column of zeros; then pairs of rows, which of two, pairs of columns, which of two.
        return nn.functional.pad(weight, [0, 1, 0, 1]).reshape(outputs, channels, 2, 2, 2, 2).permute(3, 4, 2, 0, 5, 1)
            .reshape(2, 2, 2, outputs, 2 * channels).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>The kernel.</summary>
    /// <param name="x">bfloat16 <c>[N, C, H, W]</c> with even H and W, best with the strides of channels last.</param>
    /// <param name="packed">From <see cref="Pack"/>.</param>
    /// <param name="bias">Float32 <c>[O]</c>.</param>
    /// <returns><c>[N, O, H/2, W/2]</c> with the strides of channels last.</returns>
    public static Tensor RunKernel(Tensor x, Tensor packed, Tensor bias)
    {
        using var scope = NewDisposeScope();
        Tensor[] parts = [.. x.permute(0, 2, 3, 1).contiguous().unbind(0).Chunk(Sm90CausalConvolutionKernel.MostFrames)
            .Select(frames => Sm90CausalConvolutionKernel.RunHalved(frames, packed, bias))];
        return (parts is [var only] ? only : cat(parts, 0)).permute(0, 3, 1, 2).MoveToOuterDisposeScope();
    }
}
