using System.Runtime.ExceptionServices;
using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// Several threads that fill tensors from files, piece by piece: one thread takes no more than a few gigabytes a second from the page
/// cache, and pages of fresh memory come no faster to it.
/// </summary>
internal sealed unsafe class TensorReaders : IDisposable
{
    /// <summary>Bytes of a piece: long enough for a disk, short enough that several threads share a tensor.</summary>
    public const int PieceBytes = 32 << 20;

    private const int MostReaders = 6;

    private readonly List<(string Name, torch.Tensor Target, TensorLocation Source)> _tensors = [];
    private readonly CancellationTokenSource _stop;
    private readonly Func<IPieceReader> _reader;
    private readonly Queue<string> _finished = new();
    private readonly object _signal = new();
    private readonly List<Piece> _pieces = [];
    private int[] _piecesLeft = [];
    private Task[] _readers = [];
    private int _next = -1, _running;
    private Exception? _failure;

    /// <summary>Prepares the threads.</summary>
    /// <param name="reader">Makes the reader of each thread, on that thread.</param>
    /// <param name="cancellationToken">Checked before each piece.</param>
    public TensorReaders(Func<IPieceReader> reader, CancellationToken cancellationToken)
    {
        _reader = reader;
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
    public void Add(string name, torch.Tensor target, TensorLocation source) => _tensors.Add((name, target, source));

    /// <summary>Begins to read, in the order of adding.</summary>
    public void Start()
    {
        _piecesLeft = new int[_tensors.Count];
        for (int tensor = 0; tensor < _tensors.Count; tensor++)
        {
            (_, torch.Tensor target, TensorLocation source) = _tensors[tensor];
            long bytes = source.Info.ByteCount;
            var data = (byte*)(bytes == 0 ? null : NativeTensor.DataPointer(target));
            for (long offset = 0; offset < bytes || offset == 0; offset += PieceBytes)
            {
                _pieces.Add(new Piece(tensor, source, offset, (int)Math.Min(PieceBytes, bytes - offset), data + offset));
                _piecesLeft[tensor]++;
            }
        }
        int readers = Math.Min(Math.Clamp(Environment.ProcessorCount, 1, MostReaders), _pieces.Count);
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
            var read = new List<int>();
            while (Interlocked.Increment(ref _next) is var number && number < _pieces.Count)
            {
                _stop.Token.ThrowIfCancellationRequested();
                Piece piece = _pieces[number];
                if (piece.Bytes > 0) reader.Read(piece.Source, piece.Offset, piece.Bytes, piece.Target);
                read.Add(piece.Tensor);
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

    private void Finish(List<int> read)
    {
        lock (_signal)
        {
            foreach (int tensor in read)
                if (--_piecesLeft[tensor] == 0) _finished.Enqueue(_tensors[tensor].Name);
            Monitor.PulseAll(_signal);
        }
        read.Clear();
    }

    private readonly record struct Piece(int Tensor, TensorLocation Source, long Offset, int Bytes, nint Address)
    {
        public Piece(int tensor, TensorLocation source, long offset, int bytes, byte* target)
            : this(tensor, source, offset, bytes, (nint)target)
        {
        }

        public byte* Target => (byte*)Address;
    }
}
