using TorchSharp.Utils;
using TurboDiffusion.Attention;
using TurboDiffusion.Models.Layers;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>
/// Cross-attention to the text. The text's keys and values do not depend on the step, so they are computed once per
/// generation (<see cref="Project"/>) and given to every call.
/// </summary>
public sealed class CrossAttention : nn.Module<Tensor, (Tensor Keys, Tensor Values), Tensor>
{
    [ComponentName(Name = "q")]
    private readonly LinearLayer _q;

    [ComponentName(Name = "k")]
    private readonly LinearLayer _k;

    [ComponentName(Name = "v")]
    private readonly LinearLayer _v;

    [ComponentName(Name = "o")]
    private readonly LinearLayer _o;

    [ComponentName(Name = "norm_q")]
    private readonly RmsNorm _normQ;

    [ComponentName(Name = "norm_k")]
    private readonly RmsNorm _normK;

    private readonly int _headDim;

    /// <summary>Creates the module; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">The model's dimensions.</param>
    /// <param name="weights">Number format of the linear layers.</param>
    /// <param name="placement">Device and dtype.</param>
    public CrossAttention(WanConfig config, WeightFormat weights, Placement placement)
        : base(nameof(CrossAttention))
    {
        _headDim = config.HeadDim;
        _q = weights.Linear(config.Dim, config.Dim, placement);
        _k = weights.Linear(config.Dim, config.Dim, placement);
        _v = weights.Linear(config.Dim, config.Dim, placement);
        _o = weights.Linear(config.Dim, config.Dim, placement);
        _normQ = new RmsNorm(config.Dim, config.Eps, placement);
        _normK = new RmsNorm(config.Dim, config.Eps, placement);
        RegisterComponents();
    }

    /// <summary>The keys and values of a text.</summary>
    /// <param name="text">Embedded text <c>[B, S, dim]</c>.</param>
    /// <returns>Two tensors <c>[B, S, H, D]</c>.</returns>
    public (Tensor Keys, Tensor Values) Project(Tensor text)
    {
        using var scope = NewDisposeScope();
        Tensor keys = Heads(_normK.call(_k.call(text))), values = Heads(_v.call(text));
        return (keys.MoveToOuterDisposeScope(), values.MoveToOuterDisposeScope());
    }

    /// <summary>Attends.</summary>
    /// <param name="input">Hidden states <c>[B, L, dim]</c>.</param>
    /// <param name="text">What <see cref="Project"/> gave.</param>
    /// <returns><c>[B, L, dim]</c></returns>
    public override Tensor forward(Tensor input, (Tensor Keys, Tensor Values) text)
    {
        using var scope = NewDisposeScope();
        Tensor q = Heads(_normQ.call(_q.call(input)));
        return _o.call(DenseAttention.Attend(q, text.Keys, text.Values).flatten(2)).MoveToOuterDisposeScope();
    }

    private Tensor Heads(Tensor x) => x.unflatten(2, [-1, _headDim]);
}
