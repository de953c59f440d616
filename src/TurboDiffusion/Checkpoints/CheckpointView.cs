using TorchSharp;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// A checkpoint as another one's tensors under other names, in other formats, with some left out or added. Reads through
/// to the inner checkpoint, which it owns.
/// </summary>
public abstract class CheckpointView : ICheckpoint
{
    /// <summary>Creates the view.</summary>
    /// <param name="inner">What it shows; disposed with the view.</param>
    protected CheckpointView(ICheckpoint inner) => Inner = inner;

    /// <inheritdoc/>
    public string Path => Inner.Path;

    /// <inheritdoc/>
    public abstract IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public virtual IReadOnlyDictionary<string, string> Metadata => Inner.Metadata;

    /// <summary>What the view shows.</summary>
    protected ICheckpoint Inner { get; }

    /// <inheritdoc/>
    public abstract torch.Tensor Read(string name);

    /// <inheritdoc/>
    public virtual TensorLocation? Locate(string name) => null;

    /// <inheritdoc/>
    public void Dispose()
    {
        Inner.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Tensors by name, in order.</summary>
    /// <param name="tensors">Their descriptions.</param>
    protected static IReadOnlyDictionary<string, TensorInfo> ByName(IEnumerable<TensorInfo> tensors)
    {
        var ordered = new OrderedDictionary<string, TensorInfo>(StringComparer.Ordinal);
        foreach (TensorInfo info in tensors) ordered.Add(info.Name, info);
        return ordered;
    }
}
