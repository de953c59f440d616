namespace TurboDiffusion.Models.Wan;

/// <summary>What the cross-attention of one block attends to.</summary>
/// <param name="Text">Of the text.</param>
/// <param name="Image">Of the image; null where the model has no image branch.</param>
public sealed record CrossKeys(KeyValues Text, KeyValues? Image) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        Text.Dispose();
        Image?.Dispose();
    }

    internal void DetachFromDisposeScope()
    {
        Text.DetachFromDisposeScope();
        Image?.DetachFromDisposeScope();
    }

    internal CrossKeys MoveToOuterDisposeScope()
    {
        Text.MoveToOuterDisposeScope();
        Image?.MoveToOuterDisposeScope();
        return this;
    }
}
