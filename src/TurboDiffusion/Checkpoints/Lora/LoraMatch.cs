using TurboDiffusion.Checkpoints.Keys;

namespace TurboDiffusion.Checkpoints.Lora;

/// <summary>Which tensors of a transformer the layers of a LoRA change. Told from names and shapes; no data is read.</summary>
internal sealed class LoraMatch
{
    private const string Blocks = "blocks.";

    private static readonly KeyRuleSet ToDiffusers = WanLayouts.Diffusers.Inverse;

    private LoraMatch()
    {
    }

    /// <summary>The changes, by the tensor's name in the base.</summary>
    public List<(string Tensor, LoraLayer Layer, LoraPart Part)> Changes { get; } = [];

    /// <summary>
    /// The layers that the base does not have, as the file names them, or has in another size before or behind its blocks: those of image
    /// to video and of text to video have the same blocks, and other channels.
    /// </summary>
    public List<string> Ignored { get; } = [];

    /// <summary>How many of the file's tensors are of those layers.</summary>
    public int IgnoredTensors { get; private set; }

    /// <summary>Changes of the blocks whose sizes are not the base's.</summary>
    public List<string> Mismatched { get; } = [];

    /// <summary>Finds them.</summary>
    /// <param name="layers">The layers.</param>
    /// <param name="tensors">The base's tensors under the official names.</param>
    public static LoraMatch Of(IEnumerable<LoraLayer> layers, IReadOnlyDictionary<string, TensorInfo> tensors)
    {
        var match = new LoraMatch();
        Dictionary<string, string> modules = Modules(tensors.Keys);
        foreach (LoraLayer layer in layers)
        {
            (string Tensor, LoraPart Part, long Rows, long Columns)[] changes =
                modules.TryGetValue(layer.Module, out string? module)
                    ? [.. layer.Changes(module).Where(c => tensors.ContainsKey(c.Tensor))]
                    : [];
            string[] mismatched = [.. changes
                .Where(c => tensors[c.Tensor].Shape.FirstOrDefault(1) != c.Rows || tensors[c.Tensor].ElementCount != c.Rows * c.Columns)
                .Select(c => $"{c.Tensor} (the change is [{c.Rows}, {c.Columns}], the tensor {tensors[c.Tensor]})")];
            if (mismatched.Length > 0 && module!.StartsWith(Blocks, StringComparison.Ordinal))
            {
                match.Mismatched.AddRange(mismatched);
                continue;
            }
            if (changes.Length > 0 && mismatched.Length == 0)
            {
                match.Changes.AddRange(changes.Select(c => (c.Tensor, layer, c.Part)));
                continue;
            }
            match.Ignored.Add(layer.Module);
            match.IgnoredTensors += layer.Count;
        }
        return match;
    }

    // Every way to write the name of a module: the official one and that of diffusers, with dots or, as kohya does, with underscores.
    private static Dictionary<string, string> Modules(IEnumerable<string> names)
    {
        var modules = new Dictionary<string, string>();
        foreach (string name in names)
        {
            string module = Module(name);
            foreach (string spelling in new[] { module, ToDiffusers.Rename(name) is { } foreign ? Module(foreign) : "" })
            {
                if (spelling.Length == 0) continue;
                modules.TryAdd(spelling, module);
                modules.TryAdd(spelling.Replace('.', '_'), module);
            }
        }
        return modules;
    }

    private static string Module(string tensor) => tensor.LastIndexOf('.') is var dot and >= 0 ? tensor[..dot] : "";
}
