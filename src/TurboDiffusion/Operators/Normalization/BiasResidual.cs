using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>x + bias + residual, for channels-last video: how a residual block of the VAE ends.</summary>
internal static class BiasResidual
{
    /// <summary>Whether it is one pass over values, where a bias by itself would be one more.</summary>
    /// <param name="x">The values, in any order of their axes.</param>
    /// <param name="channels">Channels of a pixel.</param>
    public static bool IsOnePass(Tensor x, long channels) => Choose(x, channels).IsKernel;

    /// <summary>Adds; rounds once.</summary>
    /// <param name="x">Float <c>[T, H, W, C]</c>, contiguous.</param>
    /// <param name="bias">Float32 <c>[C]</c>.</param>
    /// <param name="residual">As x.</param>
    /// <returns>As x.</returns>
    public static Tensor Run(Tensor x, Tensor bias, Tensor residual) =>
        Choose(x, x.size(-1)).IsKernel ? BiasResidualKernel.Run(x, bias, residual) : RunPlain(x, bias, residual);

    /// <summary>The plain form of <see cref="Run"/>.</summary>
    public static Tensor RunPlain(Tensor x, Tensor bias, Tensor residual)
    {
        using var scope = NewDisposeScope();
        return (x.to_type(ScalarType.Float32) + bias + residual).to_type(x.dtype).MoveToOuterDisposeScope();
    }

    private static KernelChoice Choose(Tensor x, long channels) =>
        BiasResidualKernel.Choose(KernelMachine.Offer(KernelOperator.BiasResidual, x), new(x.numel(), channels, x.dtype));
}
