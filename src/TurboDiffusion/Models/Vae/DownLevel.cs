using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>
/// A resolution level of the Wan 2.2 encoder: residual blocks, a <see cref="Downsample"/> but in the last, and the level's shortcut.
/// </summary>
internal sealed class DownLevel : VaeLayer
{
    [ComponentName(Name = "downsamples")]
    private readonly ModuleList<VaeLayer> _layers = [];

    private readonly long _channels;
    private readonly long _size;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="blocks">Residual blocks.</param>
    /// <param name="temporal">Whether it halves time too; null: it halves nothing.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    public DownLevel(long inChannels, long outChannels, int blocks, bool? temporal, Placement placement)
    {
        (_channels, _size, IsTemporal) = (outChannels, temporal is null ? 1 : 2, temporal == true);
        for (int i = 0; i < blocks; i++) _layers.Add(new ResidualBlock(i == 0 ? inChannels : outChannels, outChannels, placement));
        if (temporal is { } halves) _layers.Add(new Downsample(outChannels, halves, placement));
        RegisterComponents();
    }

    /// <summary>Whether the number of frames changes.</summary>
    public bool IsTemporal { get; }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, CausalCache? cache) => Run(input, cache, CancellationToken.None);

    /// <inheritdoc/>
    public override Tensor Run(Tensor input, CausalCache? cache, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        Tensor x = VaeLayers.Run([.. _layers], input, cache, cancellationToken);
        return (x + LevelShortcut.Average(input, _channels, IsTemporal ? 2 : 1, _size)).MoveToOuterDisposeScope();
    }
}
