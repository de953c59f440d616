using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Optimization;

/// <summary>
/// AdamW whose whole state is named float32 tensors, so that it can be saved and restored exactly. Parameters of a
/// narrower type keep a float32 master copy, which is what is updated.
/// </summary>
/// <remarks>arXiv 1711.05101, algorithm 2.</remarks>
public sealed class AdamW : IDisposable
{
    private readonly AdamWOptions _options;
    private readonly IReadOnlyDictionary<string, Parameter> _parameters;
    private readonly Dictionary<string, Tensor> _means = [], _squares = [], _masters = [];

    /// <summary>Creates the state: zero moments, masters equal to the parameters.</summary>
    /// <param name="parameters">What is optimised, by name.</param>
    /// <param name="options">The constants.</param>
    public AdamW(IReadOnlyDictionary<string, Parameter> parameters, AdamWOptions options)
    {
        _parameters = parameters;
        _options = options;
        using var noGrad = no_grad();
        foreach ((string name, Parameter parameter) in parameters)
        {
            _means[name] = zeros_like(parameter, ScalarType.Float32).DetachFromDisposeScope();
            _squares[name] = zeros_like(parameter, ScalarType.Float32).DetachFromDisposeScope();
            if (parameter.dtype != ScalarType.Float32)
                _masters[name] = parameter.to_type(ScalarType.Float32).DetachFromDisposeScope();
        }
    }

    /// <summary>Updates made so far.</summary>
    public int Updates { get; set; }

    /// <summary>The learning rate before the schedule's factor.</summary>
    public double LearningRate => _options.LearningRate;

    /// <summary>The state by name: <c>mean.*</c>, <c>square.*</c> and <c>master.*</c>. Live tensors, owned by the optimiser.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State =>
        Prefixed("mean.", _means).Concat(Prefixed("square.", _squares)).Concat(Prefixed("master.", _masters));

    /// <summary>Makes one update from the parameters' gradients; parameters without one are left alone.</summary>
    /// <param name="factor">The schedule's factor on the learning rate.</param>
    public void Step(double factor)
    {
        using var noGrad = no_grad();
        Updates++;
        double rate = factor * _options.LearningRate;
        double meanCorrection = 1 - Math.Pow(_options.Beta1, Updates), squareCorrection = 1 - Math.Pow(_options.Beta2, Updates);
        foreach ((string name, Parameter parameter) in _parameters)
        {
            using var scope = NewDisposeScope();
            if (parameter.grad is not { } gradient) continue;
            gradient = gradient.to_type(ScalarType.Float32);
            Tensor mean = _means[name], square = _squares[name];
            mean.mul_(_options.Beta1).add_(gradient, alpha: 1 - _options.Beta1);
            square.mul_(_options.Beta2).addcmul_(gradient, gradient, 1 - _options.Beta2);
            Tensor divisor = (square / squareCorrection).sqrt_().add_(_options.Epsilon);
            Tensor weights = _masters.GetValueOrDefault(name, parameter);
            weights.mul_(1 - rate * _options.WeightDecay).addcdiv_(mean, divisor, -rate / meanCorrection);
            if (!ReferenceEquals(weights, parameter)) parameter.copy_(weights);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor tensor in _means.Values.Concat(_squares.Values).Concat(_masters.Values)) tensor.Dispose();
    }

    private static IEnumerable<KeyValuePair<string, Tensor>> Prefixed(string prefix, Dictionary<string, Tensor> tensors) =>
        tensors.Select(t => KeyValuePair.Create(prefix + t.Key, t.Value));
}
