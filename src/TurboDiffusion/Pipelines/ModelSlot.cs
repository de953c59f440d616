namespace TurboDiffusion.Pipelines;

/// <summary>A model that is loaded at its first use; afterwards kept, or freed as soon as its stage is over.</summary>
/// <typeparam name="T">The model.</typeparam>
/// <param name="load">Loads it, telling how many of its tensors are done.</param>
/// <param name="keepLoaded">Whether it stays loaded between uses. False saves memory and costs the load each time.</param>
public sealed class ModelSlot<T>(Func<IProgress<(int Done, int Total)>?, CancellationToken, T> load, bool keepLoaded) : IDisposable
    where T : class, IDisposable
{
    private T? _model;

    /// <summary>Whether the model is in memory.</summary>
    public bool IsLoaded => _model is not null;

    /// <summary>Whether the model stays in memory once it is loaded.</summary>
    internal bool KeepsLoaded => keepLoaded;

    /// <summary>The model, loaded if it is not.</summary>
    /// <param name="progress">Told how many tensors of how many are loaded.</param>
    /// <param name="cancellationToken">Stops a load.</param>
    public T Get(IProgress<(int Done, int Total)>? progress = null, CancellationToken cancellationToken = default) =>
        _model ??= load(progress, cancellationToken);

    /// <summary>Says that the stage that needed the model is over: frees it unless it is to stay loaded.</summary>
    public void Release()
    {
        if (!keepLoaded) Dispose();
    }

    /// <summary>Frees the model; a later <see cref="Get"/> loads it again.</summary>
    public void Dispose()
    {
        _model?.Dispose();
        _model = null;
    }
}
