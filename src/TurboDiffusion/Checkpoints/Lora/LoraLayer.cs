namespace TurboDiffusion.Checkpoints.Lora;

/// <summary>What a LoRA file holds for one layer.</summary>
internal sealed class LoraLayer
{
    private readonly Dictionary<LoraPart, TensorInfo> _parts = [];

    public LoraLayer(string module, bool ofSecondExpert) => (Module, OfSecondExpert) = (module, ofSecondExpert);

    /// <summary>The layer's name in the file, without what stands before every name.</summary>
    public string Module { get; }

    /// <summary>Whether its names say that it is of the low-noise expert.</summary>
    public bool OfSecondExpert { get; }

    /// <summary>The rank of B·A; null where there is none.</summary>
    public long? Rank => Find(LoraPart.Down)?.Shape[0];

    /// <summary>How many tensors there are.</summary>
    public int Count => _parts.Count;

    public TensorInfo? Find(LoraPart part) => _parts.GetValueOrDefault(part);

    public bool TryAdd(LoraPart part, TensorInfo tensor) => _parts.TryAdd(part, tensor);

    /// <summary>The base's tensors that it changes, each with the shape of the change: rows, and values per row.</summary>
    public IEnumerable<(string Tensor, LoraPart Part, long Rows, long Columns)> Changes(string nativeModule)
    {
        if (Find(LoraPart.Down) is { } down && Find(LoraPart.Up) is { } up)
            yield return ($"{nativeModule}.weight", LoraPart.Down, up.Shape[0], down.ElementCount / Math.Max(1, down.Shape[0]));
        if (Find(LoraPart.UpBias) is { } bias) yield return ($"{nativeModule}.bias", LoraPart.UpBias, bias.ElementCount, 1);
        foreach ((LoraPart part, string tensor) in ((LoraPart, string)[])
            [(LoraPart.WeightDifference, "weight"), (LoraPart.BiasDifference, "bias"), (LoraPart.ModulationDifference, "modulation")])
            if (Find(part) is { } difference)
                yield return ($"{nativeModule}.{tensor}", part, difference.Shape.FirstOrDefault(1),
                    difference.ElementCount / Math.Max(1, difference.Shape.FirstOrDefault(1)));
    }

    /// <summary>Why it cannot be used; null if it can.</summary>
    public string? Problem()
    {
        TensorInfo? down = Find(LoraPart.Down), up = Find(LoraPart.Up), alpha = Find(LoraPart.Alpha);
        if ((down is null) != (up is null) || down is null && Find(LoraPart.UpBias) is not null)
            return $"holds one of the two matrices of {Quoted.Name(Module)} and not the other; it is incomplete";
        // B is [out, rank]; of a convolution, [out, rank, 1, 1, 1].
        if (down is not null && up is not null
            && (down.Shape.Count < 2 || up.Shape.Count < 2 || down.Shape[0] < 1 || up.ElementCount != up.Shape[0] * up.Shape[1]
                || down.Shape[0] != up.Shape[1]))
            return $"holds matrices of {Quoted.Name(Module)} that do not belong together: {down} and {up}";
        if (_parts.Values.FirstOrDefault(t => !TensorInfo.IsFloat(t.Dtype) && t != alpha) is { } integers)
            return $"holds {Quoted.Name(integers.Name)} as {integers}; the parts of a LoRA are floats";
        return alpha is { ElementCount: not 1 } ? $"holds {Quoted.Name(alpha.Name)} as {alpha}; an alpha is one number" : null;
    }
}
