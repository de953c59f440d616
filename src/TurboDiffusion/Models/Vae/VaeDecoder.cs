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

    private readonly VaeLayer[] _first;
    private readonly VaeLayer[] _afterTime;

    // Of a frame at full resolution, for each latent cell.
    private readonly long _values;

    public VaeDecoder(VaeConfig config, Placement placement)
        : base(nameof(VaeDecoder))
    {
        long channels = config.DecoderDim * config.DimMult[^1];
        _values = (long)config.DecoderDim * config.SpatialFactor * config.SpatialFactor / (config.PatchSize * config.PatchSize);
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
        VaeLayer[] layers = [_conv1, .. _middle, .. _upsamples, _head];
        _first = layers[..(Array.FindLastIndex(layers, l => l is Upsample { IsTemporal: true } or UpLevel { IsTemporal: true }) + 1)];
        _afterTime = layers[_first.Length..];
        RegisterComponents();
    }

    /// <summary>The dtype of the weights.</summary>
    public ScalarType Dtype => _conv1.Dtype;

    /// <inheritdoc/>
    public override Tensor forward(Tensor latents, CausalCache? cache, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        Tensor x = VaeLayers.Run(_first, latents, cache, cancellationToken);
        return VaeLayers.RunFewFrames(_afterTime, x, _values * latents.shape[3] * latents.shape[4], cache, cancellationToken)
            .MoveToOuterDisposeScope();
    }
}
