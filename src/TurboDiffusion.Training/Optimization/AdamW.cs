using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Optimization;

/// <summary>
/// AdamW whose whole state is named float32 tensors, so that it can be saved and restored exactly. A float32 master copy
/// of the weights is what is updated. Everything lies in flat buffers: an update of hundreds of small tensors costs a few
/// kernels on a GPU, not thousands.
/// </summary>
/// <remarks>arXiv 1711.05101, algorithm 2.</remarks>
public sealed class AdamW : IOptimizer
{
    private readonly AdamWOptions _options;
    private readonly FlatParameters _parameters;
    private readonly Tensor _means, _squares, _masters;

    /// <summary>Creates the state: zero moments, masters equal to the parameters.</summary>
    /// <param name="parameters">What is optimised, by name.</param>
    /// <param name="options">The constants.</param>
    public AdamW(IReadOnlyDictionary<string, Parameter> parameters, AdamWOptions options)
    {
        _parameters = new FlatParameters(parameters);
        _options = options;
        using var noGrad = no_grad();
        _masters = _parameters.Values().DetachFromDisposeScope();
        _means = zeros_like(_masters).DetachFromDisposeScope();
        _squares = zeros_like(_masters).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public int Updates { get; set; }

    /// <inheritdoc/>
    public double LearningRate => _options.LearningRate;

    /// <summary>
    /// The state by name: <c>mean.*</c>, <c>square.*</c> and <c>master.*</c>. Views of live tensors, owned by the optimiser.
    /// </summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State =>
        Named("mean.", _means).Concat(Named("square.", _squares)).Concat(Named("master.", _masters));

    /// <inheritdoc/>
    public void Step(double factor)
    {
        using var noGrad = no_grad();
        Updates++;
        double rate = factor * _options.LearningRate;
        double meanCorrection = 1 - Math.Pow(_options.Beta1, Updates), squareCorrection = 1 - Math.Pow(_options.Beta2, Updates);
        foreach ((long start, long length, Tensor gradient) in _parameters.Gradients())
        {
            using var scope = NewDisposeScope();
            using Tensor owned = gradient;
            Tensor mean = _means.narrow(0, start, length), square = _squares.narrow(0, start, length);
            mean.mul_(_options.Beta1).add_(gradient, alpha: 1 - _options.Beta1);
            square.mul_(_options.Beta2).addcmul_(gradient, gradient, 1 - _options.Beta2);
            Tensor divisor = (square / squareCorrection).sqrt_().add_(_options.Epsilon);
            _masters.narrow(0, start, length).mul_(1 - rate * _options.WeightDecay).addcdiv_(mean, divisor, -rate / meanCorrection);
        }
        _parameters.Set(_masters);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _means.Dispose();
        _squares.Dispose();
        _masters.Dispose();
    }

    private IEnumerable<KeyValuePair<string, Tensor>> Named(string prefix, Tensor flat) =>
        _parameters.Views(flat).Select(v => KeyValuePair.Create(prefix + v.Key, v.Value));
}
