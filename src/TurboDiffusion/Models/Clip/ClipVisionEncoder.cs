using TorchSharp;
using TorchSharp.Utils;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace TurboDiffusion.Models.Clip;

/// <summary>
/// The CLIP image encoder of Wan 2.1 image to video: a vision transformer over patches of the image, of which the output of the last
/// block but one is taken. The last block is loaded with the others, so that a file is matched whole, and never run.
/// </summary>
/// <remarks>Wan-Video/Wan2.1, 960af87, <c>wan/modules/clip.py</c>, <c>CLIPModel.visual</c>, <c>VisionTransformer</c>.</remarks>
public sealed class ClipVisionEncoder : nn.Module
{
    /// <summary>ε of every norm.</summary>
    internal const double Eps = 1e-5;

    // Of the pixels in [0, 1], per colour.
    private static readonly float[] Mean = [0.48145466f, 0.4578275f, 0.40821073f];
    private static readonly float[] Deviation = [0.26862954f, 0.26130258f, 0.27577711f];

    [ComponentName(Name = "patch_embedding")]
    private readonly PatchEmbedding _patchEmbedding;

    [ComponentName(Name = "cls_embedding")]
    private readonly Parameter _classEmbedding;

    [ComponentName(Name = "pos_embedding")]
    private readonly Parameter _positionEmbedding;

    [ComponentName(Name = "pre_norm")]
    private readonly LayerNorm _preNorm;

    [ComponentName(Name = "transformer")]
    private readonly TorchSharp.Modules.ModuleList<ClipBlock> _blocks;

    private readonly Placement _placement;

    /// <summary>Creates the encoder; its values come from a checkpoint.</summary>
    /// <param name="config">Its sizes.</param>
    /// <param name="placement">Device and dtype.</param>
    public ClipVisionEncoder(ClipConfig config, Placement placement)
        : base(nameof(ClipVisionEncoder))
    {
        ArgumentNullException.ThrowIfNull(config);
        (Config, _placement) = (config, placement);
        _patchEmbedding = new PatchEmbedding(config, placement);
        _classEmbedding = placement.Empty(1, 1, config.Dim);
        _positionEmbedding = placement.Empty(1, config.Tokens, config.Dim);
        _preNorm = new LayerNorm(config.Dim, Eps, placement);
        _blocks = nn.ModuleList([.. Enumerable.Range(0, config.NumLayers).Select(_ => new ClipBlock(config, placement))]);
        RegisterComponents();
    }

    /// <summary>Its sizes.</summary>
    public ClipConfig Config { get; }

    /// <summary>Encodes images.</summary>
    /// <param name="images">
    /// <c>[N, 3, H, W]</c> in [−1, 1], on any device. Each is resized to the encoder's square (bicubic, the aspect ratio not kept).
    /// </param>
    /// <param name="cancellationToken">Checked at each block.</param>
    /// <returns>
    /// A row for the whole image, then one for each patch: <c>[N, 1 + grid², dim]</c> (257 of 1280), in the encoder's dtype.
    /// </returns>
    public Tensor Encode(Tensor images, CancellationToken cancellationToken = default)
    {
        using var scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Tensor patches = _patchEmbedding.call(Normalized(images).to(_placement.Dtype));
        Tensor x = cat([_classEmbedding.expand(images.size(0), -1, -1), patches], dim: 1) + _positionEmbedding;
        x = _preNorm.call(x);
        foreach (ClipBlock block in _blocks.Take(Config.NumLayers - 1))
        {
            cancellationToken.ThrowIfCancellationRequested();
            Tensor next = block.call(x);
            x.Dispose();
            x = next;
        }
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Images at the size that an encoder sees, as <see cref="Encode"/> brings them to it; those of that size stay as they are.
    /// </summary>
    /// <param name="images"><c>[N, 3, H, W]</c>, float.</param>
    /// <param name="config">The encoder's sizes.</param>
    /// <returns><c>[N, 3, size, size]</c></returns>
    public static Tensor Resize(Tensor images, ClipConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return nn.functional.interpolate(images, [config.ImageSize, config.ImageSize], mode: InterpolationMode.Bicubic,
            align_corners: false);
    }

    /// <summary>The images as the encoder was trained to see them: resized, each colour with mean 0 and deviation 1.</summary>
    /// <param name="images"><c>[N, 3, H, W]</c> in [−1, 1].</param>
    /// <returns><c>[N, 3, size, size]</c>, float32.</returns>
    private Tensor Normalized(Tensor images)
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Resize(images.to(ScalarType.Float32, _placement.Device), Config) * 0.5 + 0.5;
        return ((pixels - tensor(Mean, device: _placement.Device).view(3, 1, 1))
            / tensor(Deviation, device: _placement.Device).view(3, 1, 1)).MoveToOuterDisposeScope();
    }

    private sealed class PatchEmbedding : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = "weight")]
        private readonly Parameter _weight;

        private readonly int _patch;

        public PatchEmbedding(ClipConfig config, Placement placement)
            : base(nameof(PatchEmbedding))
        {
            _patch = config.PatchSize;
            _weight = placement.Empty(config.Dim, 3, _patch, _patch);
            RegisterComponents();
        }

        // A convolution whose stride is its size: a product of patches. [N, 3, H, W] to [N, (H/p)·(W/p), dim].
        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            (long n, long rows, long columns) = (input.size(0), input.size(2) / _patch, input.size(3) / _patch);
            Tensor patches = input.reshape(n, 3, rows, _patch, columns, _patch).permute(0, 2, 4, 1, 3, 5).reshape(n, rows * columns, -1);
            return nn.functional.linear(patches, _weight.flatten(1)).MoveToOuterDisposeScope();
        }
    }
}
