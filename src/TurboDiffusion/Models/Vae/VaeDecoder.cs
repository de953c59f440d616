using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>Features <c>[B, ZDim, T', H/8, W/8]</c> to video <c>[B, 3·p², T, H/p, W/p]</c>.</summary>
internal sealed class VaeDecoder : nn.Module<Tensor, CausalCache?, CancellationToken, Tensor>
{
    [ComponentName(Name = "conv1")]
    private readonly CausalConv3d _conv1;

    [ComponentName(Name = "middle")]
    private readonly ModuleList<VaeLayer> _middle;

    [ComponentName(Name = "upsamples")]
    private readonly ModuleList<VaeLayer> _upsamples = [];

    [ComponentName(Name = "head")]
    private readonly VaeHead _head;

    private readonly VaeLayer[] _whole;
    private readonly VaeLayer[] _beforeTime;
    private readonly VaeLayer[] _afterTime;

    public VaeDecoder(VaeConfig config, Placement placement)
        : base(nameof(VaeDecoder))
    {
        long channels = config.DecoderDim * config.DimMult[^1];
        _conv1 = new CausalConv3d(config.ZDim, channels, 3, 3, placement);
        _middle = [new ResidualBlock(channels, channels, placement), new SpatialAttention(channels, placement),
            new ResidualBlock(channels, channels, placement)];
        for (int level = config.DimMult.Count - 1; level >= 0; level--)
        {
            if (config.HasShortcuts)
            {
                long width = config.DecoderDim * config.DimMult[level];
                _upsamples.Add(new UpLevel(channels, width, config.NumResBlocks + 1, level > 0
                    ? config.TemporalDownsample[level - 1]
                    : null, placement));
                channels = width;
                continue;
            }
            for (int block = 0; block <= config.NumResBlocks; block++)
            {
                long outChannels = config.DecoderDim * config.DimMult[level];
                _upsamples.Add(new ResidualBlock(channels, outChannels, placement));
                channels = outChannels;
            }
            if (level > 0)
            {
                _upsamples.Add(new Upsample(channels, channels / 2, config.TemporalDownsample[level - 1], placement));
                channels /= 2;
            }
        }
        _head = new VaeHead(channels, config.PixelChannels, placement);
        _whole = [_conv1, .. _middle];
        VaeLayer[] layers = [.. _upsamples, _head];
        int firstAfter = Array.FindLastIndex(layers, l => l is Upsample { IsTemporal: true } or UpLevel { IsTemporal: true }) + 1;
        (_beforeTime, _afterTime) = (layers[..firstAfter], layers[firstAfter..]);
        RegisterComponents();
    }

    /// <summary>The dtype of the weights.</summary>
    public ScalarType Dtype => _conv1.Dtype;

    /// <summary>Whether convolutions of a clip read frames where they lie, and not windows of them.</summary>
    /// <param name="latents"><c>[B, ZDim, T', h, w]</c></param>
    public bool ReadsFrames(Tensor latents)
    {
        using var noGradient = no_grad();
        using Tensor z = latents.to_type(Dtype);
        return _conv1.ReadsFrames(z);
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor latents, CausalCache? cache, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        return Enlarge(Middle(latents, cache, cancellationToken), null, 1, cache, cancellationToken).MoveToOuterDisposeScope();
    }

    /// <summary>The layers at the latents' resolution, where a pixel depends on all others of its frame.</summary>
    /// <param name="latents"><c>[B, ZDim, T', h, w]</c></param>
    /// <param name="cache">The clip's past, or null.</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns><c>[B, C, T', h, w]</c></returns>
    public Tensor Middle(Tensor latents, CausalCache? cache, CancellationToken cancellationToken) =>
        VaeLayers.Run(_whole, latents, cache, cancellationToken);

    /// <summary>The layers after it.</summary>
    /// <param name="features">From <see cref="Middle"/>.</param>
    /// <param name="tile">The strip to be decoded; null: all.</param>
    /// <param name="together">Frames at full resolution that go through the last layers at a time, with a cache.</param>
    /// <param name="cache">The past of the clip, or of its strip; or null.</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns>The video, or its strip.</returns>
    public Tensor Enlarge(Tensor features, DecodeTile? tile, int together, CausalCache? cache, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        (VaeLayer[] before, VaeLayer[] after) = tile is { } strip
            ? Cropped(strip, features.size(strip.Axis))
            : (_beforeTime, _afterTime);
        Tensor x = VaeLayers.Run(before, features, cache, cancellationToken);
        return VaeLayers.RunFewFrames(after, x, together, cache, cancellationToken).MoveToOuterDisposeScope();
    }

    // The layers with crops to what the strip depends on: before the first, where frames are enlarged, after the last.
    private (VaeLayer[] BeforeTime, VaeLayer[] AfterTime) Cropped(DecodeTile tile, long length)
    {
        VaeLayer[] layers = [.. _beforeTime, .. _afterTime];
        IReadOnlyList<(long Begin, long End)> needs = tile.Needs(length, [.. layers.Select(l => (l.Reach, l.Scale))]);
        (long Begin, long End) has = (0, length);
        List<VaeLayer> before = [CropTo(needs[0])], after = [];
        for (int i = 0; i < layers.Length; i++)
        {
            List<VaeLayer> list = i < _beforeTime.Length ? before : after;
            list.Add(layers[i]);
            has = (has.Begin * layers[i].Scale, has.End * layers[i].Scale);
            if (layers[i].Scale > 1 || i == layers.Length - 1) list.Add(CropTo(needs[i + 1]));
        }
        return ([.. before], [.. after]);

        Crop CropTo((long Begin, long End) span)
        {
            var crop = new Crop(tile.Axis, span.Begin - has.Begin, span.End - span.Begin);
            has = span;
            return crop;
        }
    }
}
