namespace TurboDiffusion.Models.Wan;

/// <summary>
/// What the transformer's blocks attend to beside the video: a text and, of a model with an image branch, an image. Made once for a
/// generation (<see cref="WanModel.PrepareContext"/>).
/// </summary>
public sealed class CrossContext : IDisposable
{
    internal CrossContext(IReadOnlyList<CrossKeys> blocks) => Blocks = blocks;

    internal IReadOnlyList<CrossKeys> Blocks { get; }

    /// <summary>Takes the tensors out of the current dispose scope: they live until <see cref="Dispose"/>.</summary>
    public void DetachFromDisposeScope()
    {
        foreach (CrossKeys block in Blocks) block.DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CrossKeys block in Blocks) block.Dispose();
    }
}
