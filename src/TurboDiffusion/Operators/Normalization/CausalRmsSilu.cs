using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>
/// What a causal convolution over three frames reads, for channels-last video: z = silu(x / ‖x‖ · γ) over the channels of every
/// pixel, each frame with the two before it as further channels. The convolution is then one of two dimensions, which libtorch runs at
/// a multiple of the rate of its three-dimensional one, on the CPU as well as on a GPU.
/// </summary>
internal static class CausalRmsSilu
{
    /// <summary>The least ‖x‖, as torch.nn.functional.normalize has it.</summary>
    public const double Eps = 1e-12;

    /// <summary>Runs it.</summary>
    /// <param name="x">Float <c>[T, H, W, C]</c>, contiguous.</param>
    /// <param name="gamma">Float32 <c>[C]</c>, √C in it.</param>
    /// <param name="bias">Float32 <c>[C]</c>, added to x first; or null.</param>
    /// <param name="past">As x with two frames: the last of the chunk before, from this method; null: zeros.</param>
    /// <returns><c>[T, H, W, 3·C]</c> in x's dtype, oldest frame first, and what the next chunk takes as past.</returns>
    public static (Tensor Windows, Tensor Past) Run(Tensor x, Tensor gamma, Tensor? bias, Tensor? past) =>
        Choose(x).IsKernel ? CausalRmsSiluKernel.Run(x, gamma, bias, past)
        : CausalRmsSiluCpu.Takes(x) ? CausalRmsSiluCpu.Run(x, gamma, bias, past)
        : RunPlain(x, gamma, bias, past);

    /// <summary>The plain form of <see cref="Run"/>.</summary>
    public static (Tensor Windows, Tensor Past) RunPlain(Tensor x, Tensor gamma, Tensor? bias, Tensor? past)
    {
        using var scope = NewDisposeScope();
        Tensor input = x.to_type(ScalarType.Float32);
        if (bias is not null) input = input + bias;
        Tensor z = nn.functional.silu(nn.functional.normalize(input, p: 2, dim: 3, eps: Eps) * gamma).to_type(x.dtype);
        long frames = x.size(0);
        Tensor all = cat([past ?? z.new_zeros([2, .. z.shape[1..]]), z], dim: 0);
        Tensor windows = cat([all.narrow(0, 0, frames), all.narrow(0, 1, frames), z], dim: 3);
        return (windows.MoveToOuterDisposeScope(), all.narrow(0, frames, 2).clone().MoveToOuterDisposeScope());
    }

    private static KernelChoice Choose(Tensor x)
    {
        long[] s = x.shape;
        return CausalRmsSiluKernel.Choose(KernelMachine.Offer(KernelOperator.CausalRmsSilu, x), new(s[0], s[1] * s[2], s[3], x.dtype));
    }
}
