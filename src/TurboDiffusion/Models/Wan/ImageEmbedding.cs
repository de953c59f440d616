using TorchSharp.Utils;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace TurboDiffusion.Models.Wan;

/// <summary>
/// The image encoder's tokens at the transformer's width: LN, Linear, exact GELU, Linear, LN; of a first and a last image, each with its
/// learned position.
/// </summary>
/// <remarks>Wan-Video/Wan2.1, aa843f5, <c>wan/modules/model.py</c>, <c>MLPProj</c>.</remarks>
public sealed class ImageEmbedding : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "proj")]
    private readonly Layers _layers;

    [ComponentName(Name = "emb_pos")]
    private readonly Parameter? _positions;

    private readonly WanConfig _config;

    /// <summary>Creates the module; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">The model's dimensions, with an image branch.</param>
    /// <param name="placement">Device and dtype.</param>
    public ImageEmbedding(WanConfig config, Placement placement)
        : base(nameof(ImageEmbedding))
    {
        _config = config;
        _layers = new Layers(config, placement);
        if (config.ImagePositions > 0) _positions = placement.Empty(1, config.ImagePositions, config.ImageDim);
        RegisterComponents();
    }

    /// <summary>Embeds the tokens.</summary>
    /// <param name="input">
    /// <c>[B, S, image dim]</c>; of a model with positions, S is their number: the first image's tokens, then the last's.
    /// </param>
    /// <returns><c>[B, S, dim]</c></returns>
    /// <exception cref="ArgumentException">The width or the number of tokens is another.</exception>
    public override Tensor forward(Tensor input)
    {
        if (input.dim() != 3 || input.size(2) != _config.ImageDim || _positions is not null && input.size(1) != _config.ImagePositions)
            throw new ArgumentException($"The image tokens have the shape [{string.Join(", ", input.shape)}]; the model takes [B, "
                + $"{(_positions is null ? "S" : _config.ImagePositions)}, {_config.ImageDim}].");
        using var scope = NewDisposeScope();
        return _layers.call(_positions is null ? input : input + _positions).MoveToOuterDisposeScope();
    }

    private sealed class Layers : nn.Module<Tensor, Tensor>
    {
        // PyTorch's own, not the transformer's.
        private const double Eps = 1e-5;

        [ComponentName(Name = "0")]
        private readonly LayerNorm _first;

        [ComponentName(Name = "1")]
        private readonly FloatLinear _in;

        [ComponentName(Name = "3")]
        private readonly FloatLinear _out;

        [ComponentName(Name = "4")]
        private readonly LayerNorm _last;

        public Layers(WanConfig config, Placement placement)
            : base(nameof(Layers))
        {
            _first = new LayerNorm(config.ImageDim, Eps, placement);
            _in = new FloatLinear(config.ImageDim, config.ImageDim, placement);
            _out = new FloatLinear(config.ImageDim, config.Dim, placement);
            _last = new LayerNorm(config.Dim, Eps, placement);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            return _last.call(_out.call(nn.functional.gelu(_in.call(_first.call(input))))).MoveToOuterDisposeScope();
        }
    }
}
