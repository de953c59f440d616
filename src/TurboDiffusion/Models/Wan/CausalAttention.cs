using TurboDiffusion.Operators.Attention;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>The self-attention of one block of a causal pass.</summary>
/// <param name="q">Queries <c>[B, L, H, D]</c>, normalised and rotated.</param>
/// <param name="k">Keys, likewise.</param>
/// <param name="v">Values.</param>
/// <returns><c>[B, L, H, D]</c></returns>
internal delegate Tensor CausalAttention(Tensor q, Tensor k, Tensor v);

/// <summary>Attention that is causal over groups of latent frames: a token sees its own group and those before it.</summary>
internal static class CausalMask
{
    /// <summary>The plain form: a mask over the whole sequence.</summary>
    /// <param name="frames">Latent frames.</param>
    /// <param name="framesPerGroup">Latent frames of a group; the last one may have fewer.</param>
    /// <param name="tokensPerFrame">Tokens of a latent frame.</param>
    /// <param name="device">Where q, k and v are.</param>
    /// <returns>Bool <c>[L, L]</c>: whether the row's token sees the column's.</returns>
    public static Tensor Of(long frames, int framesPerGroup, long tokensPerFrame, Device device)
    {
        using var scope = NewDisposeScope();
        Tensor group = arange(frames * tokensPerFrame, ScalarType.Int64, device).div(framesPerGroup * tokensPerFrame, RoundingMode.floor);
        return group.unsqueeze(1).ge(group.unsqueeze(0)).MoveToOuterDisposeScope();
    }

    /// <summary>Attends with a mask.</summary>
    /// <param name="mask">From <see cref="Of"/>.</param>
    public static CausalAttention Attention(Tensor mask) => (q, k, v) =>
    {
        using var scope = NewDisposeScope();
        return nn.functional.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask)
            .transpose(1, 2).MoveToOuterDisposeScope();
    };
}
