using System.Globalization;
using TurboDiffusion.Checkpoints.Lora;

namespace TurboDiffusion.Generation;

/// <summary>
/// A model with its own LoRAs, and with the sets that requests ask for in their place. The sets are kept up to a number, and the least
/// recently used goes first. One user at a time, as the model.
/// </summary>
/// <param name="own">The model as it was opened; the cache owns it.</param>
/// <param name="ownLoras">Its LoRAs.</param>
/// <param name="most">How many sets beside it are kept between requests.</param>
/// <param name="open">Opens a set: reads headers, and no weights.</param>
internal sealed class ModelVariants(
    ModelVariant own, IReadOnlyList<LoraOptions> ownLoras, int most, Func<IReadOnlyList<LoraOptions>, ModelVariant> open) : IDisposable
{
    // The most recently used last.
    private readonly OrderedDictionary<string, ModelVariant> _sets = new(StringComparer.Ordinal);

    /// <summary>The model as it was opened.</summary>
    public ModelVariant Own => own;

    /// <summary>How many sets are kept at this moment.</summary>
    public int Count => _sets.Count;

    /// <summary>The model with a set of LoRAs; a file that has changed since is read anew.</summary>
    /// <param name="loras">The set; null: the model's own.</param>
    /// <exception cref="TurboDiffusionException">A LoRA cannot be read, or is of another model.</exception>
    public ModelVariant Get(IReadOnlyList<LoraOptions>? loras)
    {
        if (loras is null) return own;
        string key = KeyOf(loras);
        if (key == KeyOf(ownLoras)) return own;
        if (_sets.Remove(key, out ModelVariant? known))
        {
            _sets.Add(key, known);
            return known;
        }
        // Checked before another one goes for it.
        ModelVariant opened = open(loras);
        Trim(Math.Max(0, most - 1));
        _sets.Add(key, opened);
        return opened;
    }

    /// <summary>Lets go of the least recently used sets above the number that is kept.</summary>
    public void Trim() => Trim(most);

    /// <summary>Frees the transformers of every variant but one: that needs their room.</summary>
    public void UnloadAllBut(ModelVariant variant)
    {
        foreach (ModelVariant other in _sets.Values.Prepend(own))
            if (other != variant) other.Unload();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Trim(0);
        own.Dispose();
    }

    private void Trim(int count)
    {
        while (_sets.Count > count)
        {
            _sets.GetAt(0).Value.Dispose();
            _sets.RemoveAt(0);
        }
    }

    private static string KeyOf(IReadOnlyList<LoraOptions> loras) => string.Join('\n', loras.Select(lora =>
    {
        var file = new FileInfo(lora.Path);
        return string.Create(CultureInfo.InvariantCulture,
            $"{file.FullName}|{lora.Strength:R}|{lora.Experts}|{(file.Exists ? file.Length : -1)}|{file.LastWriteTimeUtc.Ticks}");
    }));
}
