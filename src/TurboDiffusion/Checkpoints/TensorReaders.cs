using System.Runtime.ExceptionServices;
using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// Several threads that fill tensors: from files, piece by piece, as one thread takes no more than a few gigabytes a second from the page
/// cache, and pages of fresh memory come no faster to it; or as a whole, with values that are computed.
/// </summary>
internal sealed unsafe class TensorReaders : IDisposable
{
    /// <summary>Bytes of a piece: long enough for a disk, short enough that several threads share a tensor.</summary>
    public const int PieceBytes = 32 << 20;

    private const int MostReaders = 6;

    private readonly CancellationTokenSource _stop;
    private readonly Func<IPieceReader> _reader;
    private readonly int _most;
    private readonly Queue<string> _finished = new();
    private readonly object _signal = new();
    private readonly List<(string Tensor, Action<IPieceReader> Fill)> _pieces = [];
    private readonly Dictionary<string, int> _piecesLeft = [];
    private Task[] _readers = [];
    private int _next = -1, _running;
    private Exception? _failure;

    /// <summary>Prepares the threads.</summary>
    /// <param name="reader">Makes the reader of each thread, on that thread.</param>
    /// <param name="cancellationToken">Checked before each piece.</param>
    /// <param name="most">How many threads there are at most.</param>
    public TensorReaders(Func<IPieceReader> reader, CancellationToken cancellationToken, int most = MostReaders)
    {
        (_reader, _most) = (reader, most);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    }

    /// <summary>Whether a tensor's memory can be filled with the bytes of a file.</summary>
    /// <param name="target">The tensor.</param>
    /// <param name="source">The bytes; null: there are none.</param>
    public static bool Takes(torch.Tensor target, TensorLocation? source) =>
        source is not null && target.dtype == source.Info.Dtype && target.is_contiguous()
            && target.numel() * ScalarTypes.Bytes(target.dtype) == source.Info.ByteCount;

    /// <summary>Takes a tensor on; before <see cref="Start"/>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="target">The tensor; it must live until the end.</param>
    /// <param name="source">Its bytes.</param>
    public void Add(string name, torch.Tensor target, TensorLocation source)
    {
        long bytes = source.Info.ByteCount;
        nint data = bytes == 0 ? 0 : NativeTensor.Address(target);
        for (long first = 0; first < bytes || first == 0; first += PieceBytes)
        {
            (long offset, int count) = (first, (int)Math.Min(PieceBytes, bytes - first));
            AddPiece(name, reader =>
            {
                if (count > 0) reader.Read(source, offset, count, (byte*)data + offset);
            });
        }
    }

    /// <summary>Takes a tensor on whose values are computed; before <see cref="Start"/>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="fill">Fills it, on one of the threads.</param>
    public void Add(string name, Action fill) => AddPiece(name, _ => fill());

    /// <summary>Begins to read, in the order of adding.</summary>
    public void Start()
    {
        int readers = Math.Min(Math.Clamp(Environment.ProcessorCount, 1, _most), _pieces.Count);
        _running = readers;
        _readers = [.. Enumerable.Range(0, readers).Select(_ =>
            Task.Factory.StartNew(Work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
    }

    /// <summary>Waits for the next tensor that is filled.</summary>
    /// <returns>Its name; null after the last.</returns>
    /// <exception cref="CheckpointException">A file could not be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public string? WaitForNext()
    {
        lock (_signal)
        {
            while (_finished.Count == 0 && _running > 0) Monitor.Wait(_signal);
            if (_failure is { } failure) ExceptionDispatchInfo.Throw(failure);
            return _finished.TryDequeue(out string? name) ? name : null;
        }
    }

    /// <summary>Stops the threads, and waits until none writes any more.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        Task.WaitAll(_readers);
        _stop.Dispose();
    }

    // Never throws: the first failure ends every thread, and is thrown to who waits.
    private void Work()
    {
        try
        {
            using IPieceReader reader = _reader();
            var read = new List<string>();
            while (Interlocked.Increment(ref _next) is var number && number < _pieces.Count)
            {
                _stop.Token.ThrowIfCancellationRequested();
                (string tensor, Action<IPieceReader> fill) = _pieces[number];
                fill(reader);
                read.Add(tensor);
                if (reader.IsImmediate) Finish(read);
            }
            reader.Complete();
            Finish(read);
        }
        catch (Exception e)
        {
            lock (_signal) _failure ??= e;
            _stop.Cancel();
        }
        finally
        {
            lock (_signal)
            {
                _running--;
                Monitor.PulseAll(_signal);
            }
        }
    }

    private void Finish(List<string> read)
    {
        lock (_signal)
        {
            foreach (string tensor in read)
                if (--_piecesLeft[tensor] == 0) _finished.Enqueue(tensor);
            Monitor.PulseAll(_signal);
        }
        read.Clear();
    }

    private void AddPiece(string tensor, Action<IPieceReader> fill)
    {
        _pieces.Add((tensor, fill));
        _piecesLeft[tensor] = _piecesLeft.GetValueOrDefault(tensor) + 1;
    }
}
