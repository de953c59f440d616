using TorchSharp.Modules;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Training.Networks;
using TurboDiffusion.Training.Optimization;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Loops;

/// <summary>
/// A model in training: its weights, its optimiser, and the average of its weights. Of a model with <see cref="LoraFactors"/> those are
/// the weights in training, and everything else takes no memory but its own.
/// </summary>
public sealed class TrainedModel : IDisposable
{
    private readonly Dictionary<string, Parameter> _parameters;
    private readonly IReadOnlyDictionary<string, LowRankFactors> _factors;

    /// <summary>Makes parameters of a module trainable.</summary>
    /// <param name="name">Unique within a task; the prefix in saved states.</param>
    /// <param name="module">The module; not owned.</param>
    /// <param name="optimizer">The optimiser's constants.</param>
    /// <param name="emaWidth">Width of the weight average relative to the length of training; null: none is kept.</param>
    /// <param name="trained">
    /// Which parameters, by name; null: all, or of a module with low-rank factors those. The others are frozen.
    /// </param>
    public TrainedModel(string name, nn.Module module, AdamWOptions optimizer, double? emaWidth = null, Func<string, bool>? trained = null)
    {
        Name = name;
        Module = module;
        _factors = LoraFactors.Of(module);
        if (_factors.Count > 0)
        {
            HashSet<string> factors = [.. _factors.Keys.SelectMany(layer => new[]
            {
                LoraFactors.Parameter(layer, LowRankFactors.DownName), LoraFactors.Parameter(layer, LowRankFactors.UpName),
            })];
            trained ??= factors.Contains;
        }
        _parameters = module.named_parameters().Where(p => trained is null || trained(p.name)).ToDictionary(p => p.name, p => p.parameter);
        foreach ((string parameterName, Parameter parameter) in module.named_parameters())
            parameter.requires_grad_(_parameters.ContainsKey(parameterName));
        Optimizer = optimizer.Momentum > 0 ? new Muon(_parameters, optimizer) : new Optimization.AdamW(_parameters, optimizer);
        Ema = emaWidth is { } width ? new Ema(_parameters, width) : null;
    }

    /// <summary>The name within its task.</summary>
    public string Name { get; }

    /// <summary>The module.</summary>
    public nn.Module Module { get; }

    /// <summary>The optimiser.</summary>
    public IOptimizer Optimizer { get; }

    /// <summary>The average of the weights, or null.</summary>
    public Ema? Ema { get; }

    /// <summary>The trained parameters by checkpoint key.</summary>
    public IReadOnlyDictionary<string, Parameter> Parameters => _parameters;

    /// <summary>Everything that a resume needs, by name. Live tensors.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State =>
        _parameters.Select(p => KeyValuePair.Create($"{Name}.weight.{p.Key}", (Tensor)p.Value))
            .Concat(Optimizer.State.Select(s => KeyValuePair.Create($"{Name}.optimizer.{s.Key}", s.Value)))
            .Concat(Ema is null ? [] : Ema.Averages.Select(a => KeyValuePair.Create($"{Name}.ema.{a.Key}", a.Value)));

    /// <summary>Forgets the gradients.</summary>
    public void ClearGradients() => Module.zero_grad(set_to_none: true);

    /// <summary>
    /// Puts the averages of the weights, where they are kept, in the place of the weights, which come back exactly when the result is
    /// disposed.
    /// </summary>
    public IDisposable UseAverages() => new WeightSwap(_parameters, Ema?.Averages);

    /// <summary>
    /// Writes the weights (their average, where one is kept) as a checkpoint of the model; of a model with low-rank factors those, as a
    /// LoRA in ComfyUI's layout.
    /// </summary>
    /// <param name="path">A <c>.safetensors</c> file.</param>
    /// <param name="metadata">Free text for the file's header, beside what a transformer's shapes do not show.</param>
    public void Export(string path, IReadOnlyDictionary<string, string>? metadata = null)
    {
        if (Module is WanModel transformer) metadata = WanCheckpoint.Metadata(transformer.Config, metadata);
        Dictionary<string, Tensor> state = Module.state_dict();
        Tensor Source(string name) => Ema is null ? state[name] : Ema.Averages.GetValueOrDefault(name, state[name]);
        IReadOnlyList<TensorSource> sources = _factors.Count > 0 ? LoraFactors.File(_factors, Source)
            : [.. state.Select(s => new TensorSource(new TensorInfo(s.Key, s.Value.dtype, s.Value.shape),
                () => Source(s.Key).detach().to(s.Value.dtype, copy: true)))];
        SafetensorsWriter.Write(path, sources, metadata);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Optimizer.Dispose();
        Ema?.Dispose();
    }
}
