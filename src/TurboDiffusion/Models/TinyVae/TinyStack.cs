using System.Globalization;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.TinyVae;

/// <summary>Layers one after another, each named by its number, as in the files.</summary>
internal sealed class TinyStack : nn.Module
{
    private readonly TinyLayer[] _layers;

    public TinyStack(params TinyLayer[] layers)
        : base(nameof(TinyStack))
    {
        _layers = layers;
        for (int i = 0; i < layers.Length; i++) register_module(i.ToString(CultureInfo.InvariantCulture), layers[i]);
    }

    /// <summary>The layers, in their order.</summary>
    public IReadOnlyList<TinyLayer> Layers => _layers;

    /// <summary>Runs them, freeing what lies between.</summary>
    public Tensor Run(Tensor input, FrameMemory? memory, CancellationToken cancellationToken = default)
    {
        using var scope = NewDisposeScope();
        Tensor x = input;
        foreach (TinyLayer layer in _layers)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Tensor output = layer.forward(x, memory);
            if (!ReferenceEquals(x, input)) x.Dispose();
            x = output;
        }
        return x.MoveToOuterDisposeScope();
    }
}
