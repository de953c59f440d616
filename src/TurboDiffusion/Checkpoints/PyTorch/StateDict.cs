using System.Globalization;

namespace TurboDiffusion.Checkpoints.PyTorch;

/// <summary>
/// The tensors of an unpickled file: the dict that holds them by name, found at the top or inside the dicts of a
/// training checkpoint (<c>{"state_dict": {…}, "iteration": 1}</c>), whose plain values become metadata.
/// </summary>
internal sealed class StateDict
{
    private const int MaxDepth = 4;

    // Under which names training code nests a model's tensors; the first one present is taken.
    private static readonly string[] UsualNames = ["state_dict", "model_state_dict", "model", "module", "net", "generator"];

    private readonly string _path;

    public StateDict(string path, object? root)
    {
        _path = path;
        object? level = root;
        for (int depth = 0; depth < MaxDepth; depth++)
        {
            if (level is not PickleDict dict) throw Bad("holds no dict of tensors by name");
            AddMetadata(dict);
            if (dict.HasTensors)
            {
                AddTensors(dict);
                return;
            }
            level = Descend(dict);
        }
        throw Bad($"holds no tensors within {MaxDepth} levels of dicts");
    }

    public Dictionary<string, PickleTensor> Tensors { get; } = [];

    public Dictionary<string, string> Metadata { get; } = [];

    private PickleDict Descend(PickleDict dict)
    {
        List<string> inner = [.. dict.Items.Where(i => i.Value is PickleDict { HasTensors: true }).Select(i => i.Key)];
        if (inner.Count == 0) inner = [.. dict.Items.Where(i => i.Value is PickleDict).Select(i => i.Key)];
        string? name = UsualNames.FirstOrDefault(inner.Contains) ?? (inner.Count == 1 ? inner[0] : null);
        if (name is not null) return (PickleDict)dict.Items[name]!;
        throw Bad(inner.Count == 0
            ? "holds no tensors"
            : $"holds {inner.Count} dicts and none is named {string.Join(", ", UsualNames)}: "
                + $"{Quoted.List([.. inner.Select(Quoted.Name)])}");
    }

    private void AddTensors(PickleDict dict)
    {
        if (dict.OtherKeys > 0) throw Bad($"holds {dict.OtherKeys} entries whose key is not text beside its tensors");
        foreach ((string name, object? value) in dict.Items)
        {
            if (value is PickleTensor tensor) Tensors.Add(name, tensor);
            else if (value is PickleDict { HasTensors: true }) throw Bad($"holds tensors both by name and inside {Quoted.Name(name)}");
        }
    }

    private void AddMetadata(PickleDict dict)
    {
        foreach ((string name, object? value) in dict.Items)
            if (value is string or long or double or bool)
                Metadata[name] = Convert.ToString(value, CultureInfo.InvariantCulture)!;
    }

    private CheckpointException Bad(string reason) =>
        new(_path, $"{reason}. Save the model's tensors with PyTorch: torch.save(model.state_dict(), path).");
}
