namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>
/// How one family of tensor names in a foreign file is named here. Templates hold placeholders: <c>{n}</c> for a whole
/// number, <c>{x:q|k|v}</c> for one of several words; both sides hold the same ones, so a rule works in both directions.
/// </summary>
public sealed record KeyRule
{
    /// <summary>Creates a rule.</summary>
    /// <param name="foreign">The name in the foreign file.</param>
    /// <param name="native">The name here.</param>
    public KeyRule(string foreign, string native)
    {
        Dictionary<string, string[]> words = new(
            KeyTemplate.DeclaredWords(foreign).Concat(KeyTemplate.DeclaredWords(native)).DistinctBy(w => w.Key));
        (Foreign, Native) = (new KeyTemplate(foreign, words), new KeyTemplate(native, words));
    }

    private KeyRule(KeyTemplate foreign, KeyTemplate native) => (Foreign, Native) = (foreign, native);

    /// <summary>A rule for a name that is the same in both.</summary>
    /// <param name="name">The name.</param>
    public static KeyRule Same(string name) => new(name, name);

    /// <summary>Whether a file may lack tensors of this rule.</summary>
    public bool Optional { get; init; }

    /// <summary>Whether the tensor is left out: a copy of another one, or a part that is not of the model.</summary>
    public bool Dropped { get; init; }

    /// <summary>What happens to the shape; null for nothing.</summary>
    public TensorReshape? Reshape { get; init; }

    internal KeyTemplate Foreign { get; }

    internal KeyTemplate Native { get; }

    /// <summary>The rule from here to the foreign file.</summary>
    public KeyRule Inverse => new(Native, Foreign) { Optional = Optional || Dropped, Reshape = Reshape?.Inverse };

    /// <inheritdoc/>
    public override string ToString() => Dropped ? $"{Foreign} (dropped)" : $"{Foreign} → {Native}";
}
