namespace TurboDiffusion.Models;

/// <summary>What the header of a LoRA file says of it.</summary>
/// <param name="Ranks">The ranks of its layers, each once, smallest first; empty for plain differences.</param>
/// <param name="Layers">How many layers it changes.</param>
/// <param name="IsDistillation">Whether it makes a model a few-step one; then its sampler settings are used.</param>
/// <param name="Fits">The published models that have its layers in its sizes, best match first.</param>
public sealed record LoraReport(IReadOnlyList<long> Ranks, int Layers, bool IsDistillation, IReadOnlyList<LoraFit> Fits)
{
    /// <summary>Whether its names tell layers of both of two experts, each of which gets its own.</summary>
    public bool NamesBothExperts { get; init; }
}
