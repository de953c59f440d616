using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Optimization;

/// <summary>
/// Muon: the weight matrices of a transformer's blocks and the convolutions of a VAE's residual branches move by their momentum with
/// all singular values made about equal, which no direction dominates; everything else by <see cref="AdamW"/>. An update of a
/// matrix has the size that one of AdamW usually has, so that one learning rate and one weight decay serve both. Matrices of one
/// shape are updated together.
/// </summary>
/// <remarks>https://kellerjordan.github.io/posts/muon; the scale: arXiv 2502.16982, section 2.2.</remarks>
public sealed class Muon : IOptimizer
{
    // The root mean square of an update of AdamW.
    private const double UpdateSize = 0.2;
    private const int Iterations = 5;

    private readonly AdamWOptions _options;
    private readonly AdamW _others;
    private readonly Group[] _groups;

    /// <summary>Creates the state: zero moments, masters equal to the parameters.</summary>
    /// <param name="parameters">What is optimised, by name, on one device.</param>
    /// <param name="options">The constants; <see cref="AdamWOptions.Momentum"/> is that of the matrices.</param>
    public Muon(IReadOnlyDictionary<string, Parameter> parameters, AdamWOptions options)
    {
        _options = options;
        _others = new AdamW(parameters.Where(p => !IsMatrix(p.Key, p.Value)).ToDictionary(), options);
        _groups = [.. parameters.Where(p => IsMatrix(p.Key, p.Value))
            .GroupBy(p => (Rows: p.Value.size(0), Columns: p.Value.numel() / p.Value.size(0))).Select(g => new Group([.. g]))];
    }

    /// <inheritdoc/>
    public int Updates
    {
        get => _others.Updates;
        set => _others.Updates = value;
    }

    /// <inheritdoc/>
    public double LearningRate => _options.LearningRate;

    /// <summary>
    /// The state by name: <c>momentum.*</c> and <c>master.*</c> of the matrices, and that of AdamW. Views of live tensors.
    /// </summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State => _groups.SelectMany(g => g.State).Concat(_others.State);

    /// <inheritdoc/>
    public void Step(double factor)
    {
        _others.Step(factor);
        using var noGrad = no_grad();
        foreach (Group group in _groups) group.Step(factor * _options.LearningRate, _options.Momentum, _options.WeightDecay);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _others.Dispose();
        foreach (Group group in _groups) group.Dispose();
    }

    // Tables of embeddings are looked up, not multiplied with. A convolution is a matrix with a row for each channel that it gives.
    private static bool IsMatrix(string name, Tensor value) =>
        value.dim() == 2 && name.Contains("blocks.", StringComparison.Ordinal) && !name.Contains("embedding", StringComparison.Ordinal)
        || value.dim() > 3 && value.size(0) > 1 && value.size(1) > 1 && name.Contains(".residual.", StringComparison.Ordinal);

    /// <summary>Matrices with the same left and right singular vectors, and singular values of about 1.</summary>
    /// <param name="matrices"><c>[N, rows, columns]</c>.</param>
    internal static Tensor Orthogonalize(Tensor matrices)
    {
        using var scope = NewDisposeScope();
        bool tall = matrices.size(1) > matrices.size(2);
        Tensor x = tall ? matrices.transpose(1, 2) : matrices;
        if (x.device_type == DeviceType.CUDA) x = x.to_type(ScalarType.BFloat16);
        x = x / (x.norm(-1, true).norm(-2, true) + 1e-7);
        // Newton and Schulz's iteration with a quintic that lifts small singular values fast and need not converge to 1.
        for (int i = 0; i < Iterations; i++)
        {
            Tensor gram = bmm(x, x.transpose(1, 2));
            x = 3.4445 * x + bmm(-4.7750 * gram + 2.0315 * bmm(gram, gram), x);
        }
        return (tall ? x.transpose(1, 2) : x).to_type(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    // Matrices of one shape, stacked.
    private sealed class Group : IDisposable
    {
        private readonly KeyValuePair<string, Parameter>[] _parameters;
        private readonly Tensor _momentum, _masters;

        public Group(KeyValuePair<string, Parameter>[] parameters)
        {
            _parameters = parameters;
            using var noGrad = no_grad();
            using var scope = NewDisposeScope();
            _masters = stack([.. parameters.Select(p => p.Value.detach().flatten(1))]).to(ScalarType.Float32, copy: true)
                .DetachFromDisposeScope();
            _momentum = zeros_like(_masters).DetachFromDisposeScope();
        }

        public IEnumerable<KeyValuePair<string, Tensor>> State => Named("momentum.", _momentum).Concat(Named("master.", _masters));

        public void Step(double rate, double decay, double weightDecay)
        {
            using var scope = NewDisposeScope();
            int[] moved = [.. Enumerable.Range(0, _parameters.Length).Where(i => _parameters[i].Value.grad is not null)];
            if (moved.Length == 0) return;
            // Nearly always all move; only otherwise is there anything to look up, and to wait for the device.
            Tensor? index = moved.Length == _parameters.Length ? null : tensor(moved, ScalarType.Int64).to(_masters.device);
            Tensor gradients = stack([.. moved.Select(i => _parameters[i].Value.grad!.flatten(1))]).to_type(ScalarType.Float32);
            Tensor momentum = index is null ? _momentum : _momentum.index_select(0, index), masters = index is null
                ? _masters
                : _masters.index_select(0, index);
            momentum.mul_(decay).add_(gradients);
            // One step ahead along the momentum, as Nesterov.
            Tensor update = Orthogonalize(gradients.add_(momentum, alpha: decay));
            double size = UpdateSize * Math.Sqrt(Math.Max(masters.size(1), masters.size(2)));
            masters.mul_(1 - rate * weightDecay).add_(update, alpha: -rate * size);
            if (index is not null)
            {
                _momentum.index_copy_(0, index, momentum);
                _masters.index_copy_(0, index, masters);
            }
            foreach (int i in moved) _parameters[i].Value.copy_(_masters[i].view(_parameters[i].Value.shape));
        }

        public void Dispose()
        {
            _momentum.Dispose();
            _masters.Dispose();
        }

        private IEnumerable<KeyValuePair<string, Tensor>> Named(string prefix, Tensor stacked) =>
            _parameters.Select((p, i) => KeyValuePair.Create(prefix + p.Key, stacked[i]));
    }
}
