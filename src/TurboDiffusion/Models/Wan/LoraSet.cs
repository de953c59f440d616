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
    /// <param name="expert">Which it is: 0 high noise, 1 low noise; of one, which the LoRAs of two experts are given for says it.</param>
    /// <param name="experts">How many transformers the model has.</param>
    /// <param name="device">Where the sums are made; null: on the CPU.</param>
    /// <exception cref="CheckpointException">A LoRA is of another model, or has nothing for the expert that it is given for.</exception>
    /// <exception cref="InvalidRequestException">
    /// The model has one transformer, and a LoRA of two experts is not given for one of them, or one of a single transformer is.
    /// </exception>
    public ICheckpoint MergeInto(ICheckpoint transformer, int expert, int experts, Device? device = null)
    {
        int? which = experts == 1 ? OnlyExpert(transformer) : expert;
        (LoraOptions Options, LoraFile File)[] chosen = [.. _loras.Where(l => Serves(l.Options.Experts, which))];
        if (chosen.Length == 0) return transformer;
        if (chosen.FirstOrDefault(l => l.Options.Experts != LoraExperts.All && !l.File.LayersFor(which).Any()).Options is { } empty)
            throw new CheckpointException(empty.Path,
                $"is given for the {Name(empty.Experts)} expert, and has layers of the other alone; give it for that one.");
        ICheckpoint inner = WanCheckpoint.Int8Layers.As(transformer, WeightFormat.Float);
        var merged = new LoraCheckpoint(inner, [.. chosen.Select(l => (l.File, l.Options.Strength))], which) { Device = device };
        _warnings.AddRange(merged.Warnings);
        return merged;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, LoraFile file) in _loras) file.Dispose();
    }

    // A single transformer may be one of two experts, which its weights do not tell; whoever gives LoRAs of both does.
    private int? OnlyExpert(ICheckpoint transformer)
    {
        (LoraOptions Options, LoraFile File)[] placed = [.. _loras.Where(l => l.Options.Experts != LoraExperts.All)];
        if (placed.FirstOrDefault(l => !l.File.NamesSecondExpert).Options is { } misplaced)
            throw new InvalidRequestException("lora",
                $"{misplaced.Path} is given for the {Name(misplaced.Experts)} expert and names none itself, and {transformer.Path} is a "
                    + "model of one transformer; give it for all.");
        return placed.Select(l => l.Options.Experts).Distinct().ToArray() switch
        {
            [] => null,
            [var one] => one == LoraExperts.HighNoise ? 0 : 1,
            _ => throw new InvalidRequestException("lora",
                $"LoRAs are given for both of two experts, and {transformer.Path} is one transformer; give those of the expert that it "
                    + "is."),
        };
    }

    private static bool Serves(LoraExperts experts, int? expert) => experts switch
    {
        LoraExperts.All => true,
        LoraExperts.HighNoise => expert == 0,
        _ => expert == 1,
    };

    private static string Name(LoraExperts expert) => expert == LoraExperts.HighNoise ? "high-noise" : "low-noise";
}
