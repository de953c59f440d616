using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Convolution;

/// <summary>
/// How the VAE's decoder ends: RMS normalisation over channels, SiLU, and a causal convolution of 3×3×3 to the few channels of a pixel.
/// Of the past, what is kept is what its frames add to those to come: few channels, where the frames themselves have many.
/// </summary>
internal static class CausalHead
{
    /// <summary>Results that a frame adds to: its own, and those of the two after it.</summary>
    public const int Delays = 3;

    /// <summary>Rows and columns of the kernel.</summary>
    public const int Taps = 9;

    /// <summary>Of a product's right side: delays times outputs, and zeros.</summary>
    public const int Columns = 16;

    // Of ‖x‖, as torch.nn.functional.normalize. And of a tensor core's operand.
    private const double Eps = 1e-12;
    private const long Depth = 16, ColumnGroup = 8, Quad = 4, Pair = 2;

    /// <summary>A layer as the operator reads it.</summary>
    /// <param name="Packed">The weights, of <see cref="PackedShape"/>.</param>
    /// <param name="Gamma">Float32 <c>[C]</c>, √C in it.</param>
    /// <param name="Bias">Float32 <c>[O]</c>.</param>
    public sealed record Prepared(Tensor Packed, Tensor Gamma, Tensor Bias) : IDisposable
    {
        public void Dispose()
        {
            Packed.Dispose();
            Gamma.Dispose();
            Bias.Dispose();
        }
    }

    /// <summary>Whether it is the way for a video.</summary>
    /// <param name="video"><c>[B, C, T, H, W]</c></param>
    /// <param name="weight"><c>[O, C, frames, rows, columns]</c></param>
    public static bool IsFastest(Tensor video, Tensor weight)
    {
        long[] s = video.shape, w = weight.shape;
        return Choose(video, new(Math.Max(s[2], 1), s[3], s[4], w[1], w[0], w[2], w[3], video.dtype)).IsKernel;
    }

    /// <summary>A layer for the chunks of a clip, in no dispose scope and without gradients.</summary>
    /// <param name="weight"><c>[O, C, 3, 3, 3]</c></param>
    /// <param name="bias"><c>[O]</c></param>
    /// <param name="gamma">Float32 <c>[C]</c>, √C in it.</param>
    public static Prepared Prepare(Tensor weight, Tensor bias, Tensor gamma)
    {
        using var scope = NewDisposeScope();
        return new(Pack(weight.detach()).DetachFromDisposeScope(), gamma.detach().clone().DetachFromDisposeScope(),
            bias.detach().to(ScalarType.Float32, copy: true).DetachFromDisposeScope());
    }

    /// <summary>Runs it.</summary>
    /// <param name="x">Float <c>[T, H, W, C]</c>, contiguous.</param>
    /// <param name="layer">From <see cref="Prepare"/>.</param>
    /// <param name="past">Float32 <c>[2, O, H, W]</c>: what the frames before add to the first two; null: there are none.</param>
    /// <returns><c>[O, T, H, W]</c> in x's dtype, and what the next chunk takes as past.</returns>
    public static (Tensor Y, Tensor Next) Run(Tensor x, Prepared layer, Tensor? past)
    {
        long[] s = x.shape;
        return Choose(x, new(s[0], s[1], s[2], s[3], layer.Bias.size(0), 3, 3, x.dtype)).IsKernel
            ? CausalHeadKernel.Run(x, layer, past)
            : RunPlain(x, layer, past);
    }

    /// <summary>The plain form of <see cref="Run"/>, in float32.</summary>
    public static (Tensor Y, Tensor Next) RunPlain(Tensor x, Prepared layer, Tensor? past)
    {
        using var scope = NewDisposeScope();
        (long frames, long outputs) = (x.size(0), layer.Bias.size(0));
        Tensor z = nn.functional.silu(nn.functional.normalize(x.to_type(ScalarType.Float32), p: 2, dim: 3, eps: Eps) * layer.Gamma);
        // [T, delays · O, H, W]
        Tensor added = TorchConvolution.Run(z.permute(0, 3, 1, 2), Unpack(layer.Packed).to_type(ScalarType.Float32)
            .narrow(0, 0, Delays * outputs), null, [1, 1], [1, 1]);
        Tensor y = added.new_zeros([frames + Delays - 1, outputs, .. added.shape[2..]]);
        if (past is not null) y.narrow(0, 0, Delays - 1).add_(past);
        for (int delay = 0; delay < Delays; delay++) y.narrow(0, delay, frames).add_(added.narrow(1, delay * outputs, outputs));
        Tensor result = (y.narrow(0, 0, frames) + layer.Bias.view(-1, 1, 1)).transpose(0, 1).to_type(x.dtype).contiguous();
        return (result.MoveToOuterDisposeScope(), y.narrow(0, frames, Delays - 1).clone().MoveToOuterDisposeScope());
    }

    /// <summary>The shape of the packed weights.</summary>
    /// <param name="channels">C, a multiple of 16.</param>
    /// <returns>Columns of the kernel, 16 channels each, its rows; then a tensor core's operand of 16 channels and columns.</returns>
    public static long[] PackedShape(long channels) =>
        [3, channels / Depth, 3, ColumnGroup, Quad, Columns / ColumnGroup, Depth / (Quad * Pair), Pair];

    /// <summary>Weights as the operator reads them.</summary>
    /// <param name="weight"><c>[O, C, 3, 3, 3]</c></param>
    /// <returns>Of <see cref="PackedShape"/>, contiguous.</returns>
    public static Tensor Pack(Tensor weight)
    {
        using var scope = NewDisposeScope();
        (long outputs, long channels) = (weight.size(0), weight.size(1));
        // The last frame of the kernel is a frame's own.
        Tensor columns = weight.flip(2).permute(2, 0, 1, 3, 4).reshape(Delays * outputs, channels, 3, 3);
        Tensor filled = nn.functional.pad(columns, [0, 0, 0, 0, 0, 0, 0, Columns - Delays * outputs]);
        long[] s = PackedShape(channels);
        // Groups of columns, columns, 16 channels each, halves, quads, pairs, rows and columns of the kernel.
        return filled.reshape(s[5], s[3], s[1], s[6], s[4], s[7], 3, 3).permute(7, 2, 6, 1, 4, 0, 3, 5).contiguous()
            .MoveToOuterDisposeScope();
    }

    // [16, C, 3, 3], of packed weights.
    private static Tensor Unpack(Tensor packed) =>
        packed.permute(5, 3, 1, 6, 4, 7, 2, 0).reshape(Columns, packed.size(1) * Depth, 3, 3);

    private static KernelChoice Choose(Tensor x, CausalConvolution.Problem p) =>
        CausalHeadKernel.Choose(KernelMachine.Offer(KernelOperator.CausalHead, x), p);
}
