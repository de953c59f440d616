using System.Globalization;
using System.Text.RegularExpressions;
using TurboDiffusion.Checkpoints.Keys;

namespace TurboDiffusion.Checkpoints;

/// <summary>What a checkpoint holds and how it names it, told from names and shapes alone.</summary>
/// <param name="Kind">Which part of a model it is.</param>
/// <param name="Rules">The rules from its names to ours.</param>
/// <param name="Prefix">What stands before every name, such as <c>net.</c>; removed before the rules apply.</param>
public sealed partial record CheckpointLayout(ModelKind Kind, KeyRuleSet Rules, string Prefix)
{
    // umT5 has 10, the transformers 27 and more.
    private const int FewestTensorsPerBlock = 8;

    private static readonly (ModelKind Kind, KeyRuleSet Rules)[] Known =
    [
        .. WanLayouts.All.Select(rules => (ModelKind.Transformer, rules)),
        .. VaeLayouts.All.Select(rules => (ModelKind.Vae, rules)),
        .. TinyVaeLayouts.All.Select(rules => (ModelKind.TinyVae, rules)),
        .. UMT5Layouts.All.Select(rules => (ModelKind.TextEncoder, rules)),
        .. ClipLayouts.All.Select(rules => (ModelKind.ImageEncoder, rules)),
    ];

    // Parts of names of well-known files that are of other models.
    private static readonly (string Part, string Meaning)[] Others =
    [
        ("lora_", "It is a LoRA, not a whole model: name its base model, and give it as a LoRA (--lora FILE)."),
        ("vace_", "It is a VACE model, which is not supported."),
        ("control_adapter.", "It is a camera-control model, which is not supported."),
        ("ref_conv.", "It is a Fun-Control model, which is not supported."),
        ("casual_audio_encoder.", "It is a speech-to-video model (S2V), which is not supported."),
        ("audio_proj.", "It is a model with an audio branch, which is not supported."),
        ("face_adapter.", "It is an Animate model, which is not supported."),
        ("decoder.block.", "It holds umT5's decoder too: use an encoder-only file (models_t5_umt5-xxl-enc-bf16.pth)."),
    ];

    /// <summary>Finds the layout of a checkpoint.</summary>
    /// <param name="checkpoint">A checkpoint with the file's own names.</param>
    /// <remarks>Scaled 8-bit weights are looked at, and shown by <see cref="Apply"/>, as the floats that they stand for.</remarks>
    /// <exception cref="CheckpointException">It is of no known model; the message names what the closest layout misses.</exception>
    public static CheckpointLayout Detect(ICheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        checkpoint = ScaledCheckpoint.Of(checkpoint);
        (ICheckpoint stripped, string prefix) = KeyPrefix.Strip(checkpoint);
        foreach ((ModelKind kind, KeyRuleSet rules) in Known)
            if (rules.Fits(checkpoint)) return new CheckpointLayout(kind, rules, "");
        foreach ((ModelKind kind, KeyRuleSet rules) in Known)
            if (prefix.Length > 0 && rules.Fits(stripped)) return new CheckpointLayout(kind, rules, prefix);
        throw Unknown(stripped);
    }

    /// <summary>Shows the checkpoint under our names: those of the official code, with a linear patch embedding.</summary>
    /// <param name="checkpoint">The checkpoint that this is the layout of; the view owns it and disposes it.</param>
    /// <exception cref="CheckpointException">It is not of this layout, or lacks whole blocks.</exception>
    public ICheckpoint Apply(ICheckpoint checkpoint)
    {
        checkpoint = ScaledCheckpoint.Of(checkpoint);
        ICheckpoint view = Rules.Apply(Prefix.Length > 0 ? KeyPrefix.Strip(checkpoint).View : checkpoint);
        if (view.Tensors.Values.FirstOrDefault(t => t.ElementCount == 0) is { } empty)
            throw new CheckpointException(view.Path, $"has an empty tensor {Quoted.Name(empty.Name)} of {empty}. It is incomplete.");
        CheckBlocks(view);
        return Kind == ModelKind.ImageEncoder ? FusedProjections.Of(view) : view;
    }

    /// <inheritdoc/>
    public override string ToString() => Prefix.Length > 0 ? $"{Rules.Name} behind '{Prefix}'" : Rules.Name;

    // A name such as blocks.99999.modulation must not make anyone build that many blocks, nor 99999 such names.
    private static void CheckBlocks(ICheckpoint view)
    {
        IEnumerable<IGrouping<string, int>> lists = view.Tensors.Keys.Select(name => BlockName().Match(name)).Where(m => m.Success)
            .GroupBy(m => m.Groups[1].Value, m => int.Parse(m.Groups[2].ValueSpan, CultureInfo.InvariantCulture));
        foreach (IGrouping<string, int> list in lists)
        {
            HashSet<int> found = [.. list];
            if (found.Max() + 1 != found.Count)
                throw new CheckpointException(view.Path,
                    $"has {found.Count} of the blocks {list.Key}.0 to {list.Key}.{found.Max()}; "
                        + $"{list.Key}.{Enumerable.Range(0, found.Count).First(n => !found.Contains(n))} is missing. It is incomplete.");
            if (list.Key == "blocks" && list.Count() < FewestTensorsPerBlock * found.Count)
                throw new CheckpointException(view.Path,
                    $"has {list.Count()} tensors in {found.Count} blocks, fewer than any model. It is incomplete.");
        }
    }

    private static CheckpointException Unknown(ICheckpoint checkpoint)
    {
        if (Others.FirstOrDefault(other =>
            checkpoint.Tensors.Keys.Any(k => k.Contains(other.Part, StringComparison.Ordinal))).Meaning is { } meaning)
            return new CheckpointException(checkpoint.Path, $"is not a model that can be loaded. {meaning}");
        (int unmatched, KeyRuleSet closest) = Known.Select(k => (k.Rules.CountUnmatched(checkpoint), k.Rules)).MinBy(k => k.Item1);
        return new CheckpointException(checkpoint.Path, unmatched * 2 > checkpoint.Tensors.Count || checkpoint.Tensors.Count == 0
            ? $"holds {checkpoint.Tensors.Count} tensors of no known model: "
                + $"{Quoted.List([.. checkpoint.Tensors.Keys.Select(Quoted.Name)])}. Known are Wan transformers, the Wan VAEs, tiny "
                + "VAEs (TAEHV), the umT5 encoder and the CLIP image encoder."
            : $"is closest to the {closest.Name} layout, but {string.Join("; ", closest.Problems(checkpoint))}.");
    }

    [GeneratedRegex(@"\A(blocks|transformer|encoder\.downsamples|decoder\.upsamples)\.([0-9]{1,6})\.", RegexOptions.CultureInvariant)]
    private static partial Regex BlockName();
}
