using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>RMS normalisation over the channels of every pixel, then SiLU: frames that a convolution reads.</summary>
internal static class RmsSilu
{
    // Of ‖x‖, as torch.nn.functional.normalize.
    private const double Eps = 1e-12;

    /// <summary>Runs it.</summary>
    /// <param name="x">Float <c>[T, H, W, C]</c>, contiguous.</param>
    /// <param name="gamma">Float32 <c>[C]</c>, √C in it.</param>
    /// <returns>T frames <c>[H, W, C]</c> in x's dtype, each with its own memory.</returns>
    public static Tensor[] Run(Tensor x, Tensor gamma) => Choose(x).IsKernel
        ? [.. x.split(RmsSiluKernel.MostFrames, 0).SelectMany(part => RmsSiluKernel.Run(part, gamma))]
        : RunPlain(x, gamma);

    /// <summary>The plain form of <see cref="Run"/>.</summary>
    public static Tensor[] RunPlain(Tensor x, Tensor gamma)
    {
        using var scope = NewDisposeScope();
        Tensor z = nn.functional.silu(nn.functional.normalize(x.to_type(ScalarType.Float32), p: 2, dim: 3, eps: Eps) * gamma);
        return [.. z.to_type(x.dtype).unbind(0).Select(frame => frame.clone().MoveToOuterDisposeScope())];
    }

    // A part of the convolution's kernels.
    private static KernelChoice Choose(Tensor x)
    {
        long[] s = x.shape;
        return CausalRmsSiluKernel.Choose(
            KernelMachine.Offer(KernelOperator.CausalConvolution, x), new(s[0], s[1] * s[2], s[3], x.dtype));
    }
}
