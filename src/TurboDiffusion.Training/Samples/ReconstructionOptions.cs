namespace TurboDiffusion.Training.Samples;

/// <summary>Reconstructions that a VAE in training makes now and then, to look at.</summary>
public sealed record ReconstructionOptions
{
    /// <summary>Iterations from one picture to the next; there is one at the end, too.</summary>
    public int Every { get; init; } = 500;

    /// <summary>Clips, drawn once from the data.</summary>
    public int Clips { get; init; } = 3;

    /// <summary>The seed of that draw.</summary>
    public ulong Seed { get; init; }
}
