using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Optimization;

/// <summary>
/// A running average of the weights with a power-law memory: it always spans the same share of the training so far,
/// instead of a fixed number of updates.
/// </summary>
/// <remarks>Karras et al., arXiv 2312.02696, section 3.1; the relation of width and exponent is their equation 126.</remarks>
public sealed class Ema : IDisposable
{
    private readonly double _exponent;
    private readonly FlatParameters _parameters;
    private readonly Tensor _average;

    /// <summary>Creates the average, equal to the parameters.</summary>
    /// <param name="parameters">What is averaged, by name.</param>
    /// <param name="width">Width of the average relative to the length of training, above 0 and below 0.28; 0.1 in rCM.</param>
    /// <exception cref="InvalidRequestException">The width is out of range.</exception>
    public Ema(IReadOnlyDictionary<string, Parameter> parameters, double width)
    {
        _exponent = Exponent(width);
        _parameters = new FlatParameters(parameters);
        using var noGrad = no_grad();
        _average = _parameters.Values().DetachFromDisposeScope();
        Averages = _parameters.Views(_average).ToDictionary(v => v.Key, v => v.Value.DetachFromDisposeScope());
    }

    /// <summary>The averages by parameter name, float32. Live tensors, owned by this object.</summary>
    public IReadOnlyDictionary<string, Tensor> Averages { get; }

    /// <summary>Takes in the parameters after an update.</summary>
    /// <param name="updates">Updates made so far, this one included.</param>
    public void Update(int updates)
    {
        using var noGrad = no_grad();
        double keep = Math.Pow(1 - 1.0 / (updates + 1), _exponent + 1);
        using Tensor values = _parameters.Values();
        _average.mul_(keep).add_(values, alpha: 1 - keep);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor view in Averages.Values) view.Dispose();
        _average.Dispose();
    }

    /// <summary>The γ of a relative width σ: the positive root of σ² = (γ + 1) / ((γ + 2)² (γ + 3)).</summary>
    internal static double Exponent(double width)
    {
        double widest = Math.Sqrt(1 / 12.0);
        if (!(width > 0 && width < widest))
            throw new InvalidRequestException("emaWidth",
                $"The width of the weight average is {width}; it must be above 0 and below {widest:0.00}. 0.1 is usual.");
        double low = 0, high = 1 / width;
        // The right-hand side falls with γ from 1/12 at 0, and is below 1/γ² = σ² at γ = 1/σ.
        for (int i = 0; i < 100; i++)
        {
            double middle = (low + high) / 2;
            bool wider = (middle + 1) / ((middle + 2) * (middle + 2) * (middle + 3)) > width * width;
            (low, high) = wider ? (middle, high) : (low, middle);
        }
        return (low + high) / 2;
    }
}
