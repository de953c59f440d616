using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>
/// A resolution level of the Wan 2.2 decoder: residual blocks and, but in the last, an <see cref="Upsample"/> and the level's shortcut.
/// </summary>
internal sealed class UpLevel : VaeLayer
{
    [ComponentName(Name = "upsamples")]
    private readonly ModuleList<VaeLayer> _layers = [];

    private readonly long _channels;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="blocks">Residual blocks.</param>
    /// <param name="temporal">Whether it doubles time too; null: it doubles nothing.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    public UpLevel(long inChannels, long outChannels, int blocks, bool? temporal, Placement placement)
    {
        _channels = outChannels;
        for (int i = 0; i < blocks; i++) _layers.Add(new ResidualBlock(i == 0 ? inChannels : outChannels, outChannels, placement));
        if (temporal is { } doubles) _layers.Add(new Upsample(outChannels, outChannels, doubles, placement));
        RegisterComponents();
    }

    /// <summary>Whether the number of frames changes.</summary>
    public bool IsTemporal => Upsampler is { IsTemporal: true };

    // Not a field, which would be a second name of its weights.
    private Upsample? Upsampler => _layers[_layers.Count - 1] as Upsample;

    /// <inheritdoc/>
    public override int Reach => _layers.Sum(layer => layer.Reach);

    /// <inheritdoc/>
    public override int Scale => Upsampler?.Scale ?? 1;

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, CausalCache? cache) => Run(input, cache, CancellationToken.None);

    /// <inheritdoc/>
    public override Tensor Run(Tensor input, CausalCache? cache, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        bool first = Upsampler?.Begins(cache) ?? false;
        Tensor x = VaeLayers.Run([.. _layers], input, cache, cancellationToken);
        return (Upsampler is null ? x : x + LevelShortcut.Repeat(input, _channels, IsTemporal ? 2 : 1, 2, first)).MoveToOuterDisposeScope();
    }
}
