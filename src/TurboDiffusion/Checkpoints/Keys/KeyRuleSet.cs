namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>
/// The key layout of one family of files: an immutable, ordered list of anchored rules. Every name of a file must match
/// a rule (the first that matches decides), and every rule that is not optional must be used.
/// </summary>
public sealed class KeyRuleSet
{
    private readonly KeyRule[] _rules;

    /// <summary>Creates a set.</summary>
    /// <param name="name">What messages call the layout.</param>
    /// <param name="rules">The rules in order.</param>
    public KeyRuleSet(string name, params IEnumerable<KeyRule> rules)
    {
        Name = name;
        _rules = [.. rules];
    }

    /// <summary>What messages call the layout.</summary>
    public string Name { get; }

    /// <summary>The rules in order.</summary>
    public IReadOnlyList<KeyRule> Rules => _rules;

    /// <summary>The set from our names to the foreign ones; dropped tensors do not come back.</summary>
    public KeyRuleSet Inverse => new($"{Name}, inverse", _rules.Where(r => !r.Dropped).Select(r => r.Inverse));

    /// <summary>Shows a checkpoint under our names and shapes.</summary>
    /// <param name="checkpoint">A checkpoint of this layout; the view owns it and disposes it.</param>
    /// <exception cref="CheckpointException">A name matches no rule, a rule is not used, or two tensors get one name.</exception>
    public ICheckpoint Apply(ICheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        (Dictionary<string, Renaming> renamed, List<string> problems) = Map(checkpoint.Tensors.Values);
        return problems.Count == 0
            ? new RenamedCheckpoint(checkpoint, renamed)
            : throw new CheckpointException(checkpoint.Path, $"is not of the {Name} layout: {string.Join("; ", problems)}.");
    }

    /// <summary>What keeps a checkpoint from being of this layout; empty if nothing does.</summary>
    /// <param name="checkpoint">Any checkpoint.</param>
    public IReadOnlyList<string> Problems(ICheckpoint checkpoint) => Map(checkpoint.Tensors.Values).Problems;

    /// <summary>Whether a checkpoint is of this layout; quick to say no.</summary>
    /// <param name="checkpoint">Any checkpoint.</param>
    public bool Fits(ICheckpoint checkpoint) =>
        checkpoint.Tensors.Keys.All(name => Find(name) is not null) && Problems(checkpoint).Count == 0;

    /// <summary>How many of a checkpoint's names match no rule.</summary>
    /// <param name="checkpoint">Any checkpoint.</param>
    internal int CountUnmatched(ICheckpoint checkpoint) =>
        checkpoint.Tensors.Keys.Count(name => Find(name) is null);

    /// <summary>What a name becomes; null where it matches no rule, or is dropped. Shapes are not looked at.</summary>
    /// <param name="name">A foreign name.</param>
    internal string? Rename(string name) => Find(name) is var (rule, values) && !rule.Dropped ? rule.Native.Fill(values) : null;

    private (Dictionary<string, Renaming> Renamed, List<string> Problems) Map(IEnumerable<TensorInfo> tensors)
    {
        var renamed = new Dictionary<string, Renaming>();
        var unmatched = new List<string>();
        var collisions = new List<string>();
        var unused = new HashSet<KeyRule>(_rules.Where(r => !r.Optional && !r.Dropped), ReferenceEqualityComparer.Instance);
        foreach (TensorInfo info in tensors)
        {
            if (Find(info.Name) is not var (rule, values))
            {
                unmatched.Add(Quoted.Name(info.Name));
                continue;
            }
            IReadOnlyList<long>? shape = rule.Reshape is { } reshape ? reshape.ToNative(info.Shape) : info.Shape;
            if (shape is null)
            {
                unmatched.Add($"{Quoted.Name(info.Name)} of {info}");
                continue;
            }
            unused.Remove(rule);
            if (rule.Dropped) continue;
            string name = rule.Native.Fill(values);
            if (!renamed.TryAdd(name, new Renaming(info.Name, info with { Name = name, Shape = shape }))) collisions.Add(Quoted.Name(name));
        }
        var problems = new List<string>();
        if (unmatched.Count > 0) problems.Add($"{unmatched.Count} names match no rule: {Quoted.List(unmatched)}");
        if (unused.Count > 0)
            problems.Add($"{unused.Count} expected names are missing: {Quoted.List([.. unused.Select(r => r.Foreign.ToString())])}");
        if (collisions.Count > 0) problems.Add($"{collisions.Count} names are given twice: {Quoted.List(collisions)}");
        return (renamed, problems);
    }

    private (KeyRule Rule, Dictionary<string, string> Values)? Find(string key)
    {
        foreach (KeyRule rule in _rules)
            if (rule.Foreign.Match(key) is { } values) return (rule, values);
        return null;
    }
}
