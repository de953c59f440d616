using TorchSharp;

namespace TurboDiffusion.Pipelines;

/// <summary>A model that is loaded at its first use; afterwards kept, or freed as soon as its stage is over.</summary>
/// <typeparam name="T">The model.</typeparam>
/// <param name="load">Loads it, telling how many of its tensors are done.</param>
/// <param name="keepLoaded">Whether it stays loaded between uses. False saves memory and costs the load each time.</param>
public sealed class ModelSlot<T>(Func<IProgress<(int Done, int Total)>?, CancellationToken, T> load, bool keepLoaded) : IDisposable
    where T : class, IDisposable
{
    // Between two looks at a load that another thread does.
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    private T? _model;
    private Ahead? _ahead;

    /// <summary>Whether the model is in memory, and ready for use.</summary>
    public bool IsLoaded => _model is not null;

    /// <summary>Whether the model stays in memory once it is loaded.</summary>
    internal bool KeepsLoaded => keepLoaded;

    /// <summary>The model, loaded if it is not.</summary>
    /// <param name="progress">Told how many tensors of how many are loaded; called from this thread.</param>
    /// <param name="cancellationToken">Stops a load.</param>
    public T Get(IProgress<(int Done, int Total)>? progress = null, CancellationToken cancellationToken = default)
    {
        if (_model is not null) return _model;
        if (_ahead is not { } ahead) return _model = load(progress, cancellationToken);
        while (!ahead.Task.IsCompleted)
        {
            ((IAsyncResult)ahead.Task).AsyncWaitHandle.WaitOne(Look);
            ahead.Tell(progress);
        }
        ahead.Tell(progress);
        _ahead = null;
        using (ahead) return _model = ahead.Task.GetAwaiter().GetResult();
    }

    /// <summary>
    /// Has the model loaded by another thread until it is asked for. Does nothing for one that is loaded, or does not stay.
    /// </summary>
    /// <param name="after">What has to be over before, however it ended.</param>
    /// <param name="cancellationToken">Stops the load, which then ends the call that asks for the model.</param>
    /// <returns>When it is over.</returns>
    internal Task LoadAhead(Task after, CancellationToken cancellationToken)
    {
        if (!keepLoaded || _model is not null || _ahead is not null) return after;
        _ahead = new Ahead(load, after, cancellationToken);
        return _ahead.Task;
    }

    /// <summary>Gives up a load ahead whose model nobody asked for; returns when its memory is free.</summary>
    internal void GiveUpAhead()
    {
        _ahead?.Stop();
        _ahead?.Dispose();
        _ahead = null;
    }

    /// <summary>Says that the stage that needed the model is over: frees it unless it is to stay loaded.</summary>
    public void Release()
    {
        if (!keepLoaded) Dispose();
    }

    /// <summary>Frees the model; a later <see cref="Get"/> loads it again.</summary>
    public void Dispose()
    {
        GiveUpAhead();
        _model?.Dispose();
        _model = null;
    }

    private sealed class Ahead : IProgress<(int Done, int Total)>, IDisposable
    {
        private readonly CancellationTokenSource _stop;
        private readonly Lock _lock = new();
        private (int Done, int Total) _reached, _told;

        public Ahead(Func<IProgress<(int Done, int Total)>?, CancellationToken, T> load, Task after, CancellationToken cancellationToken)
        {
            _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            CancellationToken stop = _stop.Token;
            Task = after.ContinueWith(_ =>
            {
                stop.ThrowIfCancellationRequested();
                // Of this thread, as the pipeline's are of its own.
                using IDisposable noGradient = torch.no_grad();
                using var scope = torch.NewDisposeScope();
                return load(this, stop);
            }, CancellationToken.None, TaskContinuationOptions.LongRunning, TaskScheduler.Default);
        }

        public Task<T> Task { get; }

        void IProgress<(int Done, int Total)>.Report((int Done, int Total) value)
        {
            lock (_lock) _reached = value;
        }

        // Each number once.
        public void Tell(IProgress<(int Done, int Total)>? progress)
        {
            (int Done, int Total) reached;
            lock (_lock) reached = _reached;
            if (reached == _told) return;
            _told = reached;
            progress?.Report(reached);
        }

        // Whatever became of it, nobody is to hear of it.
        public void Stop()
        {
            _stop.Cancel();
            ((IAsyncResult)Task).AsyncWaitHandle.WaitOne();
            if (Task.IsCompletedSuccessfully) Task.Result.Dispose();
            else _ = Task.Exception;
        }

        public void Dispose() => _stop.Dispose();
    }
}
