using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.UMT5;

/// <summary>
/// The umT5 encoder, whole in memory. Checkpoint names are those of the official file
/// (models_t5_umt5-xxl-enc-bf16.pth).
/// </summary>
/// <remarks>arXiv 2304.09151; thu-ml/TurboDiffusion aaecff5, turbodiffusion/rcm/utils/umt5.py, <c>T5Encoder</c>.</remarks>
public sealed class UMT5Encoder : nn.Module, ITextEncoder
{
    [ComponentName(Name = "token_embedding")]
    private readonly EmbeddingTable _tokens;

    [ComponentName(Name = "blocks")]
    private readonly ModuleList<UMT5Block> _blocks;

    [ComponentName(Name = "norm")]
    private readonly RmsNorm _norm;

    private readonly Placement _placement;

    /// <summary>Creates the encoder; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">Sizes.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    /// <param name="weights">
    /// The number format of the blocks' linear layers: a <see cref="UMT5Checkpoint"/> is shown in it. In int8 the weights are rounded, the
    /// activations are not.
    /// </param>
    public UMT5Encoder(UMT5Config config, Placement placement, WeightFormat weights = WeightFormat.Float)
        : base(nameof(UMT5Encoder))
    {
        Config = config;
        _placement = placement;
        _tokens = new EmbeddingTable(config.Vocab, config.Dim, placement);
        _blocks = new ModuleList<UMT5Block>();
        for (long i = 0; i < config.NumLayers; i++) _blocks.Add(new UMT5Block(config, weights, placement));
        _norm = new RmsNorm(config.Dim, config.Eps, placement);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public UMT5Config Config { get; }

    /// <summary>Bytes of one block's tensors, of which there are as many as the encoder has layers.</summary>
    /// <param name="config">Sizes.</param>
    /// <param name="weights">The number format of the blocks' linear layers.</param>
    /// <param name="dtype">The element type of what is in float.</param>
    public static long BlockBytes(UMT5Config config, WeightFormat weights, ScalarType dtype)
    {
        using var block = new UMT5Block(config, weights, new Placement(META, dtype));
        return block.state_dict().Values.Sum(t => t.numel() * ScalarTypes.Bytes(t.dtype));
    }

    /// <summary>
    /// The hidden states after the last norm, at every position, padding included. With gradients, where weights require them.
    /// </summary>
    /// <param name="ids">Token ids, int64 <c>[B, L]</c>.</param>
    /// <param name="mask">1 for each token, 0 for padding, <c>[B, L]</c>; padded keys are not attended to.</param>
    /// <param name="cancellationToken">Checked before each block.</param>
    /// <returns><c>[B, L, dim]</c> in the dtype and on the device of the weights.</returns>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public Tensor Hidden(Tensor ids, Tensor mask, CancellationToken cancellationToken = default)
    {
        TextEmbedding.Check(ids, mask);
        using var scope = NewDisposeScope();
        Tensor padding = mask.to(_placement.Device).eq(0).unsqueeze(1).unsqueeze(1);
        Tensor buckets = RelativePosition.Buckets(ids.size(1), Config).to(_placement.Device);
        Tensor x = _tokens.forward(ids.to(_placement.Device));
        foreach (UMT5Block block in _blocks)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Tensor next = block.forward(x, padding, buckets);
            x.Dispose();
            x = next;
        }
        return _norm.forward(x).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Encode(Tensor ids, Tensor mask, CancellationToken cancellationToken = default) =>
        TextEmbedding.Compute(ids, mask, (i, m) => Hidden(i, m, cancellationToken));
}
