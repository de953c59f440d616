using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>Video <c>[B, 3·p², T, H/p, W/p]</c> to features <c>[B, 2·ZDim, T', H/8, W/8]</c>.</summary>
internal sealed class VaeEncoder : nn.Module<Tensor, CausalCache?, CancellationToken, Tensor>
{
    private const long LargestInput = 1200L << 20;

    [ComponentName(Name = "conv1")]
    private readonly CausalConv3d _conv1;

    [ComponentName(Name = "downsamples")]
    private readonly ModuleList<VaeLayer> _downsamples = [];

    [ComponentName(Name = "middle")]
    private readonly ModuleList<VaeLayer> _middle;

    [ComponentName(Name = "head")]
    private readonly VaeHead _head;

    private readonly VaeLayer[] _beforeTime;
    private readonly VaeLayer[] _afterwards;
    private readonly long _dim;

    public VaeEncoder(VaeConfig config, Placement placement)
        : base(nameof(VaeEncoder))
    {
        _dim = config.Dim;
        long channels = config.Dim;
        _conv1 = new CausalConv3d(config.PixelChannels, channels, 3, 3, placement);
        for (int level = 0; level < config.DimMult.Count; level++)
        {
            if (config.HasShortcuts)
            {
                long width = config.Dim * config.DimMult[level];
                _downsamples.Add(new DownLevel(channels, width, config.NumResBlocks, level < config.TemporalDownsample.Count
                    ? config.TemporalDownsample[level]
                    : null, placement));
                channels = width;
                continue;
            }
            for (int block = 0; block < config.NumResBlocks; block++)
            {
                long outChannels = config.Dim * config.DimMult[level];
                _downsamples.Add(new ResidualBlock(channels, outChannels, placement));
                channels = outChannels;
            }
            if (level < config.TemporalDownsample.Count)
                _downsamples.Add(new Downsample(channels, config.TemporalDownsample[level], placement));
        }
        _middle = [new ResidualBlock(channels, channels, placement), new SpatialAttention(channels, placement),
            new ResidualBlock(channels, channels, placement)];
        _head = new VaeHead(channels, 2 * config.ZDim, placement);
        VaeLayer[] layers = [_conv1, .. _downsamples, .. _middle, _head];
        int firstTemporal = Array.FindIndex(layers, l => l is Downsample { IsTemporal: true } or DownLevel { IsTemporal: true });
        _beforeTime = layers[..(firstTemporal < 0 ? layers.Length : firstTemporal)];
        _afterwards = layers[_beforeTime.Length..];
        RegisterComponents();
    }

    /// <summary>The dtype of the weights.</summary>
    public ScalarType Dtype => _conv1.Dtype;

    /// <inheritdoc/>
    public override Tensor forward(Tensor video, CausalCache? cache, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        // On a GPU, as many frames as make a convolution's input, which may be windows of three, no larger than this: more are fewer
        // launches. On the CPU one by one.
        long ofFrame = _dim * video.size(3) * video.size(4) * video.element_size();
        int together = video.device_type == TorchSharp.DeviceType.CUDA
            ? (int)Math.Max(1, LargestInput / (_conv1.ReadsFrames(video) ? ofFrame : 3 * ofFrame))
            : 1;
        Tensor x = VaeLayers.RunFewFrames(_beforeTime, video, together, cache, cancellationToken);
        return VaeLayers.Run(_afterwards, x, cache, cancellationToken).MoveToOuterDisposeScope();
    }
}
