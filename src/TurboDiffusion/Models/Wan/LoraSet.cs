using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Operators.Linear;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>The LoRAs of a model, opened: which are merged into which of its transformers.</summary>
public sealed class LoraSet : IDisposable
{
    private readonly IReadOnlyList<(LoraOptions Options, LoraFile File)> _loras;
    private readonly List<string> _warnings = [];

    private LoraSet(IReadOnlyList<(LoraOptions Options, LoraFile File)> loras) => _loras = loras;

    /// <summary>The files, open.</summary>
    public IReadOnlyList<ICheckpoint> Files => [.. _loras.Select(l => l.File.Checkpoint)];

    /// <summary>What was left out, so far.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>Whether one of them makes the model a few-step one; see <see cref="LoraFile.IsDistillation"/>.</summary>
    public bool HasDistillation => _loras.Any(l => l.File.IsDistillation);

    /// <summary>Opens the files.</summary>
    /// <param name="options">Which; none is allowed.</param>
    /// <exception cref="CheckpointException">A file is missing, broken or no LoRA.</exception>
    /// <exception cref="InvalidRequestException">A strength is not finite.</exception>
    public static LoraSet Open(IReadOnlyList<LoraOptions> options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var loras = new List<(LoraOptions, LoraFile)>();
        try
        {
            foreach (LoraOptions lora in options)
            {
                if (!double.IsFinite(lora.Strength))
                    throw new InvalidRequestException("lora", $"The strength of {lora.Path} is {lora.Strength}; give a number, usually 1.");
                loras.Add((lora, LoraFile.Open(lora.Path)));
            }
            return new LoraSet(loras);
        }
        catch
        {
            foreach ((_, LoraFile file) in loras) file.Dispose();
            throw;
        }
    }

    /// <summary>Shows a transformer with its LoRAs merged, in float; the transformer itself where it has none.</summary>
    /// <param name="transformer">
    /// A transformer with the official names, in any variant; the result owns it. Int8 is dequantized first.
    /// </param>
    /// <param name="expert">Which it is: 0 high noise, 1 low noise; 0 of one.</param>
    /// <param name="experts">How many transformers the model has.</param>
    /// <param name="device">Where the sums are made; null: on the CPU.</param>
    /// <exception cref="CheckpointException">A LoRA is of another model.</exception>
    /// <exception cref="InvalidRequestException">A LoRA is for one of two experts, and the model has one transformer.</exception>
    public ICheckpoint MergeInto(ICheckpoint transformer, int expert, int experts, Device? device = null)
    {
        if (experts == 1 && _loras.FirstOrDefault(l => l.Options.Experts != LoraExperts.All).Options is { } misplaced)
            throw new InvalidRequestException("lora",
                $"{misplaced.Path} is given for the {misplaced.Experts} expert, and {transformer.Path} is a model of one transformer; "
                    + "give it for all.");
        (LoraFile, double)[] chosen = [.. _loras.Where(l => Serves(l.Options.Experts, expert)).Select(l => (l.File, l.Options.Strength))];
        if (chosen.Length == 0) return transformer;
        ICheckpoint inner = WanCheckpoint.Int8Layers.As(transformer, WeightFormat.Float);
        var merged = new LoraCheckpoint(inner, chosen, experts == 1 ? null : expert) { Device = device };
        _warnings.AddRange(merged.Warnings);
        return merged;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, LoraFile file) in _loras) file.Dispose();
    }

    private static bool Serves(LoraExperts experts, int expert) => experts switch
    {
        LoraExperts.All => true,
        LoraExperts.HighNoise => expert == 0,
        _ => expert == 1,
    };
}
