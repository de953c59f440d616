using System.Text.Json;
using TorchSharp;

namespace TurboDiffusion.Checkpoints.Lora;

/// <summary>
/// An opened LoRA file: W' = W + strength · (α / rank) · B·A for the layers that it names, and plain differences of weights,
/// biases and modulations. Names of every known layout are read; the content decides which, never the file's name.
/// </summary>
public sealed class LoraFile : IDisposable
{
    // Where diffusers keeps what the training was configured with, α among it.
    private const string AdapterMetadata = "lora_adapter_metadata";

    private readonly ICheckpoint _file;
    private readonly JsonElement? _configuration;

    private LoraFile(ICheckpoint file)
    {
        _file = file;
        var layers = new OrderedDictionary<(string Module, bool OfSecondExpert), LoraLayer>();
        foreach (TensorInfo tensor in file.Tensors.Values)
        {
            if (LoraKey.OtherKind(tensor.Name) is { } kind)
                throw Bad($"is {kind} (it has {Quoted.Name(tensor.Name)}), which is not supported. Use a plain LoRA, or merge it into its "
                    + "base with the program that made it.");
            if (LoraKey.Parse(tensor.Name) is not { } key)
            {
                UnknownTensors++;
                continue;
            }
            if (!layers.TryGetValue((key.Module, key.OfSecondExpert), out LoraLayer? layer))
                layers.Add((key.Module, key.OfSecondExpert), layer = new LoraLayer(key.Module, key.OfSecondExpert));
            if (!layer.TryAdd(key.Part, tensor))
                throw Bad($"gives the same part of {Quoted.Name(key.Module)} twice, once as {Quoted.Name(tensor.Name)}.");
        }
        if (!IsLora(file)) throw Bad($"is not a LoRA: none of its {file.Tensors.Count} tensors is named as a part of one.");
        Layers = [.. layers.Values];
        if (Layers.Select(l => l.Problem()).OfType<string>().FirstOrDefault() is { } problem) throw Bad($"{problem}.");
        _configuration = Configuration();
    }

    /// <summary>The file.</summary>
    public string Path => _file.Path;

    /// <summary>The ranks of its layers, each once, smallest first.</summary>
    public IReadOnlyList<long> Ranks => [.. Layers.Select(l => l.Rank).OfType<long>().Distinct().Order()];

    /// <summary>
    /// Whether it was taken from a model that was tuned as a whole, as the published 4-step LoRAs (lightx2v) are: beside low-rank
    /// changes of layers it has differences of their biases, or of modulations, which training a LoRA does not make.
    /// </summary>
    public bool IsDistillation =>
        Layers.Any(l => l.Rank is not null && l.Find(LoraPart.BiasDifference) is not null)
            || Layers.Any(l => l.Rank is not null) && Layers.Any(l => l.Find(LoraPart.ModulationDifference) is not null);

    /// <summary>The file itself.</summary>
    internal ICheckpoint Checkpoint => _file;

    internal IReadOnlyList<LoraLayer> Layers { get; }

    /// <summary>Tensors whose names say nothing that a LoRA would.</summary>
    internal int UnknownTensors { get; }

    /// <summary>Opens a file and checks that it is complete; reads no weights.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">It is missing, broken, incomplete, another kind of adapter, or no LoRA at all.</exception>
    public static LoraFile Open(string path)
    {
        ICheckpoint file = Checkpoints.Checkpoint.Open(path);
        try
        {
            return new LoraFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The LoRA in an opened file.</summary>
    /// <param name="file">The file; the result owns it.</param>
    /// <exception cref="CheckpointException">It is incomplete, another kind of adapter, or no LoRA at all.</exception>
    public static LoraFile Of(ICheckpoint file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return new LoraFile(file);
    }

    /// <summary>Whether a file has names of a LoRA or of another adapter, supported or not.</summary>
    /// <param name="file">Any opened file.</param>
    public static bool IsLora(ICheckpoint file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return file.Tensors.Keys.Any(name => LoraKey.OtherKind(name) is not null || LoraKey.Parse(name) is { Part: not LoraPart.Alpha });
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>Whether names tell layers of the second of two experts; the first's are named as those of a single transformer.</summary>
    internal bool NamesSecondExpert => Layers.Any(l => l.OfSecondExpert);

    /// <summary>Whether names tell layers of both of two experts.</summary>
    internal bool NamesBothExperts => NamesSecondExpert && Layers.Any(l => !l.OfSecondExpert);

    /// <summary>
    /// The layers for one expert (null: for a model of one transformer). Where names tell the second expert's from the first's, each gets
    /// its own.
    /// </summary>
    internal IEnumerable<LoraLayer> LayersFor(int? expert) =>
        expert is not null && NamesSecondExpert ? Layers.Where(l => l.OfSecondExpert == (expert == 1)) : Layers;

    /// <summary>Adds a layer's change to a tensor of the base, in place.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="part"><see cref="LoraPart.Down"/> for B·A, the bias of B, or one of the differences.</param>
    /// <param name="strength">What it is multiplied by.</param>
    /// <param name="target">Float32, contiguous.</param>
    internal void AddTo(torch.Tensor target, LoraLayer layer, LoraPart part, double strength)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor Float(LoraPart which) => _file.Read(layer.Find(which)!.Name).to(torch.ScalarType.Float32, target.device);
        if (part != LoraPart.Down)
        {
            target.add_(Float(part).view(target.shape), part == LoraPart.UpBias ? strength * Scale(layer) : strength);
            return;
        }
        torch.Tensor down = Float(LoraPart.Down).flatten(1), up = Float(LoraPart.Up).flatten(1);
        target.view(up.size(0), -1).addmm_(up, down, beta: 1, alpha: (float)(strength * Scale(layer)));
    }

    // α / rank, or 1 where the file gives no α.
    private double Scale(LoraLayer layer)
    {
        double rank = layer.Rank!.Value;
        if (layer.Find(LoraPart.Alpha) is { } info)
        {
            using torch.Tensor alpha = _file.Read(info.Name).to_type(torch.ScalarType.Float64, disposeAfter: true);
            double value = alpha.item<double>();
            return double.IsFinite(value) ? value / rank : throw Bad($"has {Quoted.Name(info.Name)} of {value}.");
        }
        string prefix = layer.OfSecondExpert ? "transformer_2." : "transformer.";
        if ((OwnAlpha(prefix, layer.Module) ?? Configured(prefix + "lora_alpha")) is not { ValueKind: JsonValueKind.Number } configured)
            return 1;
        return configured.GetDouble() / (Configured(prefix + "use_rslora") is { ValueKind: JsonValueKind.True } ? Math.Sqrt(rank) : rank);
    }

    // PEFT's alpha_pattern: the ends of names of layers with an α of their own.
    private JsonElement? OwnAlpha(string prefix, string module)
    {
        if (Configured(prefix + "alpha_pattern") is not { ValueKind: JsonValueKind.Object } patterns) return null;
        foreach (JsonProperty own in patterns.EnumerateObject())
            if (module == own.Name || module.EndsWith("." + own.Name, StringComparison.Ordinal)) return own.Value;
        return null;
    }

    private JsonElement? Configured(string name) =>
        _configuration is { ValueKind: JsonValueKind.Object } all && all.TryGetProperty(name, out JsonElement value) ? value : null;

    private JsonElement? Configuration()
    {
        if (!_file.Metadata.TryGetValue(AdapterMetadata, out string? json)) return null;
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new CheckpointException(Path, $"has metadata '{AdapterMetadata}' that is not JSON.", e);
        }
    }

    private CheckpointException Bad(string reason) => new(Path, reason);
}
