using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>
/// A stream of noise whose next draws are made before they are asked for, on other threads and onto the device, while a model computes: the
/// same values in the same order.
/// </summary>
public sealed class NoiseAhead : INoiseSource, IDisposable
{
    private readonly INoiseSource _source;
    private readonly long[] _shape;
    private readonly Device _device;
    private readonly Queue<Task<Tensor>> _ahead = new();
    private readonly List<Task<Tensor>> _used = [];
    private readonly CancellationTokenSource _stop = new();

    /// <summary>Begins to draw.</summary>
    /// <param name="source">The stream; used by this object alone from now on.</param>
    /// <param name="draws">How many draws to make ahead; those after them are made when they are asked for.</param>
    /// <param name="shape">The sizes of each.</param>
    /// <param name="device">Where they are wanted.</param>
    public NoiseAhead(INoiseSource source, int draws, long[] shape, Device device)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(shape);
        (_source, _shape, _device) = (source, [.. shape], device);
        Task before = Task.CompletedTask;
        for (int i = 0; i < draws; i++)
        {
            Task previous = before;
            Task<Tensor> draw = Task.Run(() => DrawAfterAsync(previous));
            _ahead.Enqueue(draw);
            before = draw;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Noise of another shape was drawn ahead.</exception>
    public Tensor Normal(params long[] shape)
    {
        if (_ahead.Count == 0) return _source.Normal(shape);
        if (!_shape.SequenceEqual(shape))
            throw new ArgumentException($"Noise of the shape [{string.Join(", ", shape)}] was asked for; [{string.Join(", ", _shape)}] is "
                + "drawn already.", nameof(shape));
        Tensor drawn = _ahead.Peek().GetAwaiter().GetResult();
        _used.Add(_ahead.Dequeue());
        // Made on this thread, so that it is its dispose scope's.
        return drawn.alias();
    }

    /// <summary>Stops drawing, and frees what was drawn.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        // On another thread, as they were made: live tensors are counted by thread.
        Task.Run(() => Task.WhenAll(_used.Concat(_ahead).Select(FreeAsync))).GetAwaiter().GetResult();
        _ahead.Clear();
        _used.Clear();
        _stop.Dispose();
    }

    private static async Task FreeAsync(Task<Tensor> draw)
    {
        await ((Task)draw).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (draw.IsCompletedSuccessfully) draw.Result.Dispose();
    }

    private async Task<Tensor> DrawAfterAsync(Task previous)
    {
        await previous.ConfigureAwait(false);
        _stop.Token.ThrowIfCancellationRequested();
        using var noGradients = no_grad();
        Tensor noise = _source.Normal(_shape);
        if (noise.device_type == _device.type && (noise.device_index == _device.index || _device.type == TorchSharp.DeviceType.CPU))
            return noise;
        using (noise) return noise.to(_device);
    }
}
