using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// Writes <c>.safetensors</c> files, one tensor in memory at a time. The file appears under its name only when it is
/// complete: an error or a cancellation leaves nothing, and leaves an existing file as it was.
/// </summary>
/// <remarks>
/// In the file, tensors are ordered by element size, largest first, so that each is aligned to its element; the header is padded
/// with spaces to a multiple of 8 bytes. They are made in the order in which they are given: what one knows of another, such as the
/// scales of an int8 weight, is made once.
/// </remarks>
public static class SafetensorsWriter
{
    private const int LargestWrite = 64 << 20;

    /// <summary>Writes a file.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="tensors">What to write, made in this order; in the file, tensors of one element size keep it.</param>
    /// <param name="metadata">Free text for the header's <c>__metadata__</c>.</param>
    /// <param name="progress">Told after each tensor how many bytes of data are written, and of how many.</param>
    /// <param name="cancellationToken">Checked before each tensor.</param>
    /// <exception cref="EnvironmentException">The file cannot be written: no such folder, no right, no room.</exception>
    /// <exception cref="ArgumentException">
    /// Two tensors have one name, or a tensor is not what its <see cref="TensorSource.Info"/> says.
    /// </exception>
    public static void Write(
        string path,
        IReadOnlyCollection<TensorSource> tensors,
        IReadOnlyDictionary<string, string>? metadata = null,
        IProgress<(long Done, long Total)>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        TensorSource[] ordered = [.. tensors.OrderByDescending(t => ScalarTypes.Bytes(t.Info.Dtype))];
        var offsets = new Dictionary<string, long>();
        long total = 0, done = 0;
        foreach (TensorInfo info in ordered.Select(t => t.Info))
        {
            if (info.Name == SafetensorsHeader.MetadataName || !offsets.TryAdd(info.Name, total))
                throw new ArgumentException($"The name {Quoted.Name(info.Name)} is used twice or reserved.", nameof(tensors));
            total += info.ByteCount;
        }
        byte[] header = Header(ordered, offsets, metadata);

        AtomicFile.Write(Path.GetFullPath(path), file =>
        {
            file.Write(header);
            foreach (TensorSource source in tensors)
            {
                cancellationToken.ThrowIfCancellationRequested();
                file.Position = header.Length + offsets[source.Info.Name];
                WriteTensor(file, source);
                progress?.Report((done += source.Info.ByteCount, total));
            }
            cancellationToken.ThrowIfCancellationRequested();
        }, header.Length + total);
    }

    private static byte[] Header(
        TensorSource[] tensors, IReadOnlyDictionary<string, long> offsets, IReadOnlyDictionary<string, string>? metadata)
    {
        using var json = new MemoryStream();
        // The relaxed encoder writes é as é; quotes, backslashes and control characters are still escaped.
        using (var writer = new Utf8JsonWriter(json, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                writer.WriteStartObject(SafetensorsHeader.MetadataName);
                foreach ((string key, string value) in metadata) writer.WriteString(key, value);
                writer.WriteEndObject();
            }
            foreach (TensorInfo info in tensors.Select(t => t.Info))
            {
                long offset = offsets[info.Name];
                writer.WriteStartObject(info.Name);
                writer.WriteString("dtype", SafetensorsDtype.Format(info.Dtype));
                WriteNumbers(writer, "shape", info.Shape);
                WriteNumbers(writer, "data_offsets", [offset, offset + info.ByteCount]);
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        }
        int padded = ((int)json.Length + 7) / 8 * 8;
        byte[] header = new byte[8 + padded];
        BinaryPrimitives.WriteInt64LittleEndian(header, padded);
        header.AsSpan(8).Fill((byte)' ');
        json.GetBuffer().AsSpan(0, (int)json.Length).CopyTo(header.AsSpan(8));
        return header;
    }

    private static void WriteNumbers(Utf8JsonWriter writer, string name, IEnumerable<long> numbers)
    {
        writer.WriteStartArray(name);
        foreach (long number in numbers) writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }

    private static unsafe void WriteTensor(Stream file, TensorSource source)
    {
        using var scope = torch.NewDisposeScope();
        TensorInfo info = source.Info;
        torch.Tensor tensor = source.Read();
        if (tensor.dtype != info.Dtype || !tensor.shape.SequenceEqual(info.Shape))
            throw new ArgumentException($"Tensor {Quoted.Name(info.Name)} was announced as {info} and is {tensor.dtype} "
                + $"[{string.Join(", ", tensor.shape)}].", nameof(source));
        torch.Tensor data = tensor.cpu().contiguous();
        byte* pointer = (byte*)NativeTensor.DataPointer(data);
        for (long at = 0; at < info.ByteCount; at += LargestWrite)
            file.Write(new ReadOnlySpan<byte>(pointer + at, (int)Math.Min(LargestWrite, info.ByteCount - at)));
    }
}
