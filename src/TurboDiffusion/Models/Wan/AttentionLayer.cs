using TorchSharp.Utils;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>What self- and cross-attention share: the q, k, v and output layers, and the norms of q and k over the whole width.</summary>
/// <typeparam name="TContext">What is attended with beside the hidden states.</typeparam>
public abstract class AttentionLayer<TContext> : nn.Module<Tensor, TContext, Tensor>
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

    // In kernels, layers with the same input share its quantization, and the output layer adds to the residual stream.
    private protected bool TakesInt8(Tensor x) =>
        QueryLayer is Int8Linear && KeyLayer is Int8Linear && ValueLayer is Int8Linear && OutputLayer is Int8Linear
        && KernelPaths.Takes(KernelOperator.Int8Matmul, x);

    private protected Tensor Queries(Tensor x) => Heads(QueryNorm.call(QueryLayer.call(x)));

    private protected Tensor Keys(Tensor x) => Heads(KeyNorm.call(KeyLayer.call(x)));

    private protected Tensor Values(Tensor x) => Heads(ValueLayer.call(x));

    private protected Tensor Output(Tensor heads) => OutputLayer.call(heads.flatten(2));

    // [B, L, dim] to [B, L, H, D].
    private protected Tensor Heads(Tensor x) => x.unflatten(2, [-1, _headDim]);
}
