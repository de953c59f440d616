using TorchSharp.Utils;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>What self- and cross-attention share: the q, k, v and output layers, and the norms of q and k over the whole width.</summary>
public abstract class AttentionLayer : nn.Module
{
    [ComponentName(Name = "q")]
    private protected readonly LinearLayer QueryLayer;

    [ComponentName(Name = "k")]
    private protected readonly LinearLayer KeyLayer;

    [ComponentName(Name = "v")]
    private protected readonly LinearLayer ValueLayer;

    [ComponentName(Name = "o")]
    private protected readonly LinearLayer OutputLayer;

    [ComponentName(Name = "norm_q")]
    private protected readonly RmsNorm QueryNorm;

    [ComponentName(Name = "norm_k")]
    private protected readonly RmsNorm KeyNorm;

    private readonly int _headDim;

    private protected AttentionLayer(string name, WanConfig config, WeightFormat weights, Placement placement)
        : base(name)
    {
        _headDim = config.HeadDim;
        QueryLayer = weights.Linear(config.Dim, config.Dim, placement);
        KeyLayer = weights.Linear(config.Dim, config.Dim, placement);
        ValueLayer = weights.Linear(config.Dim, config.Dim, placement);
        OutputLayer = weights.Linear(config.Dim, config.Dim, placement);
        QueryNorm = new RmsNorm(config.Dim, config.Eps, placement);
        KeyNorm = new RmsNorm(config.Dim, config.Eps, placement);
    }

    /// <summary>The layer after the attention.</summary>
    internal LinearLayer Output => OutputLayer;

    /// <summary>The normalised hidden states as the projections multiply them; they share it.</summary>
    /// <param name="x">Hidden states <c>[B, L, dim]</c>.</param>
    /// <param name="norm">The block's normalisation.</param>
    internal Operand Prepare(Tensor x, Norm norm) => QueryLayer.Prepare(x, norm);

    // [B, L, dim] to [B, L, H, D].
    private protected Tensor Heads(Tensor x) => x.unflatten(2, [-1, _headDim]);
}
