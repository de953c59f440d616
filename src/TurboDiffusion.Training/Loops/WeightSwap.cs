using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Loops;

/// <summary>Other values in a model's parameters, for a while.</summary>
internal sealed class WeightSwap : IDisposable
{
    private readonly List<(Parameter Parameter, Tensor Kept)> _kept = [];

    /// <summary>Sets the values.</summary>
    /// <param name="parameters">The parameters by name.</param>
    /// <param name="values">What to set, by name and of the same shapes; null sets nothing.</param>
    public WeightSwap(IReadOnlyDictionary<string, Parameter> parameters, IReadOnlyDictionary<string, Tensor>? values)
    {
        if (values is null) return;
        using var noGrad = no_grad();
        foreach ((string name, Parameter parameter) in parameters)
        {
            _kept.Add((parameter, parameter.detach().clone().DetachFromDisposeScope()));
            parameter.copy_(values[name]);
        }
    }

    /// <summary>Brings the values back.</summary>
    public void Dispose()
    {
        using var noGrad = no_grad();
        foreach ((Parameter parameter, Tensor kept) in _kept)
        {
            parameter.copy_(kept);
            kept.Dispose();
        }
        _kept.Clear();
    }
}
