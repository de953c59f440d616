using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// A regular file opened for reading at any position, by any number of threads. A range that the file does not have,
/// or a file that changed after it was opened, is a <see cref="CheckpointException"/>.
/// </summary>
/// <remarks>
/// Positioned reads, not a memory map: data goes from the page cache straight into the tensor's memory, as with a map,
/// but a file that shrinks while it is read ends in an error and not in SIGBUS, and the pages do not count as ours.
/// </remarks>
internal sealed class CheckpointFile : IDisposable
{
    // Linux transfers at most 0x7ffff000 bytes per read.
    private const int LargestRead = 1 << 30;

    // Stored bytes that are decoded between two reads, and decoded bytes that are worth a task of their own.
    private const int DecodedAtOnce = 8 << 20, SmallestTask = 1 << 20;

    private readonly SafeFileHandle _handle;
    private readonly DateTime _modified;

    private CheckpointFile(string path, SafeFileHandle handle)
    {
        Path = path;
        _handle = handle;
        Length = RandomAccess.GetLength(handle);
        _modified = File.GetLastWriteTimeUtc(handle);
    }

    /// <summary>Fills a span of whole units from a span of as many stored ones.</summary>
    public delegate void Decoder(ReadOnlySpan<byte> stored, Span<byte> values);

    public string Path { get; }

    public long Length { get; }

    public static CheckpointFile Open(string path)
    {
        SafeFileHandle? handle = null;
        try
        {
            handle = InputFile.Open(path);
            if (RandomAccess.GetLength(handle) == 0) throw new IOException("it is empty. Download it again");
            return new CheckpointFile(path, handle);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            handle?.Dispose();
            throw new CheckpointException(path, e is FileNotFoundException ? "does not exist." : $"cannot be read: {e.Message}.", e);
        }
    }

    /// <summary>Fills the span from the position.</summary>
    public unsafe void Read(long position, Span<byte> destination)
    {
        fixed (byte* pointer = destination) Read(position, pointer, destination.Length);
    }

    /// <summary>Up to <paramref name="count"/> bytes from the position; fewer at the end of the file.</summary>
    public byte[] ReadUpTo(long position, int count)
    {
        byte[] bytes = new byte[Math.Clamp(Length - position, 0, count)];
        Read(position, bytes);
        return bytes;
    }

    /// <summary>A new tensor of the type and shape, filled from the position.</summary>
    public unsafe torch.Tensor ReadTensor(TensorInfo info, long position)
    {
        torch.Tensor tensor = Allocate(info);
        try
        {
            if (info.ByteCount > 0) Read(position, (byte*)NativeTensor.DataPointer(tensor), info.ByteCount);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <summary>
    /// A new tensor of the type and shape, decoded from units of the file, a few megabytes at a time, on all cores.
    /// </summary>
    /// <param name="info">The tensor.</param>
    /// <param name="position">Where its data begins.</param>
    /// <param name="storedUnit">Bytes of a unit in the file.</param>
    /// <param name="unit">Bytes of a unit in the tensor.</param>
    /// <param name="decode">Fills a span of whole units from a span of as many stored ones.</param>
    public unsafe torch.Tensor ReadDecoded(TensorInfo info, long position, int storedUnit, int unit, Decoder decode)
    {
        torch.Tensor tensor = Allocate(info);
        byte[] buffer = [];
        try
        {
            long units = info.ByteCount / unit;
            int perRead = (int)Math.Min(units, DecodedAtOnce / storedUnit);
            buffer = ArrayPool<byte>.Shared.Rent(perRead * storedUnit);
            var destination = (byte*)NativeTensor.DataPointer(tensor);
            for (long done = 0; done < units; done += perRead)
            {
                int count = (int)Math.Min(perRead, units - done), perTask = Math.Max(1, SmallestTask / unit);
                Read(position + done * storedUnit, buffer.AsSpan(0, count * storedUnit));
                byte* target = destination + done * unit;
                Parallel.For(0, (count + perTask - 1) / perTask, task =>
                {
                    int first = task * perTask, length = Math.Min(perTask, count - first);
                    decode(buffer.AsSpan(first * storedUnit, length * storedUnit),
                        new Span<byte>(target + (long)first * unit, length * unit));
                });
            }
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
        finally
        {
            if (buffer.Length > 0) ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public void Dispose() => _handle.Dispose();

    private unsafe void Read(long position, byte* destination, long count)
    {
        if (position < 0 || count > Length - position)
            throw new CheckpointException(Path,
                $"has {Length} bytes, and byte {position} + {count} was to be read. It is truncated or corrupt.");
        try
        {
            CheckUnchanged();
            for (long done = 0; done < count;)
            {
                var chunk = new Span<byte>(destination + done, (int)Math.Min(count - done, LargestRead));
                int read = RandomAccess.Read(_handle, chunk, position + done);
                if (read == 0) throw Changed();
                done += read;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(Path, $"cannot be read at byte {position}: {e.Message}", e);
        }
    }

    private void CheckUnchanged()
    {
        if (RandomAccess.GetLength(_handle) != Length || File.GetLastWriteTimeUtc(_handle) != _modified) throw Changed();
    }

    private CheckpointException Changed() => new(Path, "was changed by another program after it was opened. Open it again.");

    private torch.Tensor Allocate(TensorInfo info)
    {
        try
        {
            LibTorch.Require();
            return torch.empty([.. info.Shape], info.Dtype);
        }
        catch (ExternalException)
        {
            throw new InsufficientMemoryException($"tensor {Quoted.Name(info.Name)} of {Path}", info.ByteCount,
                GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, "Free memory, or use a smaller model.");
        }
    }
}
