using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>x / ‖x‖ · √C · γ over the channels (axis 1) of every pixel, computed in float32.</summary>
internal sealed class ChannelRmsNorm : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "gamma")]
    private readonly Parameter _gamma;

    private readonly double _scale;

    /// <param name="channels">C.</param>
    /// <param name="axesAfter">Axes after the channels: 3 for video, 2 for frames; γ is stored with as many 1s.</param>
    /// <param name="placement">Device and dtype of γ.</param>
    public ChannelRmsNorm(long channels, int axesAfter, Placement placement)
        : base(nameof(ChannelRmsNorm))
    {
        _scale = Math.Sqrt(channels);
        _gamma = placement.Empty([channels, .. Enumerable.Repeat(1L, axesAfter)]);
        RegisterComponents();
    }

    /// <summary>γ·√C, float32 <c>[C]</c>.</summary>
    public Tensor Factors
    {
        get
        {
            using var scope = NewDisposeScope();
            return (_gamma.to_type(ScalarType.Float32).flatten() * _scale).MoveToOuterDisposeScope();
        }
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Tensor x = nn.functional.normalize(input.to_type(ScalarType.Float32), p: 2, dim: 1, eps: 1e-12);
        return (x * (_gamma.to_type(ScalarType.Float32) * _scale)).to_type(input.dtype).MoveToOuterDisposeScope();
    }
}
