using TorchSharp.Utils;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>The time embedding: a sinusoid of the timestep, then Linear-SiLU-Linear. In float32 whatever the model's dtype.</summary>
public sealed class TimeEmbedding : nn.Module<Tensor, Tensor>
{
    private const double MaxPeriod = 10000;

    [ComponentName(Name = "0")]
    private readonly FloatLinear _in;

    [ComponentName(Name = "2")]
    private readonly FloatLinear _out;

    private readonly int _freqDim;

    /// <summary>Creates the module; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">The model's dimensions.</param>
    /// <param name="placement">Device of the weights.</param>
    public TimeEmbedding(WanConfig config, Placement placement)
        : base(nameof(TimeEmbedding))
    {
        Placement exact = placement with { Dtype = ScalarType.Float32 };
        _freqDim = config.FreqDim;
        _in = new FloatLinear(config.FreqDim, config.Dim, exact);
        _out = new FloatLinear(config.Dim, config.Dim, exact);
        RegisterComponents();
    }

    /// <summary>Embeds timesteps.</summary>
    /// <param name="input">Timesteps in [0, 1000], <c>[B]</c>.</param>
    /// <returns><c>[B, dim]</c>, float32.</returns>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return _out.call(nn.functional.silu(_in.call(Sinusoid(input, _freqDim)))).MoveToOuterDisposeScope();
    }

    /// <summary>Cosines, then sines, of t · 10000^(−i/half), computed in float64.</summary>
    /// <param name="timesteps"><c>[B]</c></param>
    /// <param name="channels">Even.</param>
    /// <returns><c>[B, channels]</c>, float32.</returns>
    public static Tensor Sinusoid(Tensor timesteps, int channels)
    {
        using var scope = NewDisposeScope();
        int half = channels / 2;
        Tensor frequencies = pow(MaxPeriod, -arange(half, ScalarType.Float64, timesteps.device) / half);
        Tensor angles = outer(timesteps.to_type(ScalarType.Float64), frequencies);
        return cat([angles.cos(), angles.sin()], dim: 1).to_type(ScalarType.Float32).MoveToOuterDisposeScope();
    }
}
