namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>The prefixes that training code and user interfaces put before every name of a model.</summary>
public static class KeyPrefix
{
    // Of a training checkpoint with both, the averaged weights (net_ema) are the ones made for inference.
    private static readonly string[] Known =
        ["net_ema.", "net.", "module.", "_orig_mod.", "model.diffusion_model.", "diffusion_model.", "model.", "pipe.dit."];

    // Networks that rCM training saves beside the student.
    private static readonly string[] Companions = ["net.", "net_ema.", "net_teacher.", "net_fake_score."];

    /// <summary>
    /// Shows a checkpoint without the prefixes that all of its names have: <c>net.</c>, <c>net_ema.</c>, <c>module.</c>,
    /// <c>model.diffusion_model.</c>, <c>model.</c>, <c>pipe.dit.</c> and combinations. Of a training checkpoint that holds several
    /// networks, the averaged student (<c>net_ema.</c>), else the student (<c>net.</c>), is shown alone.
    /// </summary>
    /// <param name="checkpoint">Any checkpoint; the view owns it and disposes it.</param>
    /// <returns>The view and the prefix, or the checkpoint itself and an empty text.</returns>
    public static (ICheckpoint View, string Prefix) Strip(ICheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        string prefix = "";
        List<string> names = [.. checkpoint.Tensors.Keys];
        while (Next(names, prefix.Length) is { } next)
        {
            names.RemoveAll(name => !StartsWith(name, prefix.Length, next));
            prefix += next;
        }
        return prefix.Length == 0 ? (checkpoint, "") : (new RenamedCheckpoint(checkpoint, names.ToDictionary(
            name => name[prefix.Length..],
            name => new Renaming(name, checkpoint.Tensors[name] with { Name = name[prefix.Length..] }))), prefix);
    }

    private static string? Next(List<string> names, int at) => names.Count == 0 ? null
        : Known.FirstOrDefault(prefix => names.TrueForAll(name => StartsWith(name, at, prefix)))
        ?? (names.TrueForAll(name => Companions.Any(c => StartsWith(name, at, c)))
            ? Known.FirstOrDefault(prefix => names.Exists(name => StartsWith(name, at, prefix)))
            : null);

    private static bool StartsWith(string name, int at, string prefix) =>
        name.Length > at + prefix.Length && name.AsSpan(at).StartsWith(prefix, StringComparison.Ordinal);
}
