namespace TurboDiffusion.Models.Wan;

/// <summary>A published Wan model: its dimensions and what its authors sample it with.</summary>
/// <param name="Name">Its published name.</param>
/// <param name="Config">Its dimensions.</param>
/// <param name="Experts">How many transformers share the steps: 1, or 2 (high noise, then low noise).</param>
/// <param name="SigmaMax">rCM's first noise level.</param>
/// <param name="Boundary">With two experts, the rectified-flow time from which on the low-noise expert serves.</param>
public sealed record WanPreset(string Name, WanConfig Config, int Experts, double SigmaMax, double Boundary)
{
    /// <summary>Wan 2.1 text to video, 1.3 billion parameters (480p).</summary>
    public static WanPreset T2V1_3B { get; } = new("Wan2.1-T2V-1.3B", new WanConfig(1536, 8960, 12, 30), 1, 80, 0);

    /// <summary>Wan 2.1 text to video, 14 billion parameters (480p and 720p).</summary>
    public static WanPreset T2V14B { get; } = new("Wan2.1-T2V-14B", new WanConfig(5120, 13824, 40, 40), 1, 80, 0);

    /// <summary>Wan 2.2 image to video, two experts of 14 billion parameters (720p).</summary>
    public static WanPreset I2VA14B { get; } = new("Wan2.2-I2V-A14B", new WanConfig(5120, 13824, 40, 40, inDim: 36), 2, 200, 0.9);

    /// <summary>Every preset.</summary>
    public static IReadOnlyList<WanPreset> All { get; } = [T2V1_3B, T2V14B, I2VA14B];

    /// <summary>The preset of a name, in any case.</summary>
    /// <param name="name">A published name.</param>
    /// <exception cref="InvalidRequestException">There is none of that name.</exception>
    public static WanPreset Find(string name) =>
        All.FirstOrDefault(p => p.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new InvalidRequestException("preset", $"There is no preset '{name}'; the presets are {string.Join(", ", All.Select(p => p.Name))}.");

    /// <summary>The preset of these dimensions, or null for a model of other sizes.</summary>
    /// <param name="config">Dimensions.</param>
    public static WanPreset? Of(WanConfig config) => All.FirstOrDefault(p => p.Config == config);
}
