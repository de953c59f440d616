using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace TurboDiffusion.Checkpoints.PyTorch;

/// <summary>One uncompressed file inside a zip archive.</summary>
/// <param name="Position">Where its data begins in the archive.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Checksum">Its CRC-32, or 0 where the archive was written without checksums.</param>
internal readonly record struct ZipEntry(long Position, long Length, uint Checksum);

/// <summary>
/// The directory of a zip archive whose files are stored uncompressed, as PyTorch writes them, so that each is a plain
/// range of the archive. Zip64 is read; compression, encryption and several volumes are refused.
/// </summary>
/// <remarks>Format: PKWARE APPNOTE.TXT 6.3.10, section 4.3.</remarks>
internal sealed class ZipDirectory
{
    private const int EndLength = 22, Zip64LocatorLength = 20, Zip64EndLength = 56, EntryLength = 46, LocalLength = 30;
    private const int MaxDirectoryBytes = 16 << 20;
    private const int Deflate = 8;
    private const ushort Saturated16 = ushort.MaxValue;
    private const uint Saturated32 = uint.MaxValue;

    private readonly CheckpointFile _file;
    private readonly Dictionary<string, (long LocalHeader, long Length, uint Checksum)> _entries = [];

    public ZipDirectory(CheckpointFile file)
    {
        _file = file;
        (long position, long length, long count) = FindDirectory();
        if (length > MaxDirectoryBytes || position > file.Length - length || count > length / EntryLength)
            throw Bad($"claims a directory of {count} files in {length} bytes at byte {position}");
        ReadEntries(file.ReadUpTo(position, (int)length), count);
    }

    public IEnumerable<string> Names => _entries.Keys;

    public bool Contains(string name) => _entries.ContainsKey(name);

    /// <summary>Where a file of the archive is.</summary>
    public ZipEntry Find(string name)
    {
        if (!_entries.TryGetValue(name, out var entry)) throw Bad($"lacks its part {Quoted.Name(name)}");
        Span<byte> local = stackalloc byte[LocalLength];
        _file.Read(entry.LocalHeader, local);
        long data = entry.LocalHeader + LocalLength + U16(local, 26) + U16(local, 28);
        if (U32(local, 0) != 0x04034b50 || data > _file.Length - entry.Length)
            throw Bad($"places its part {Quoted.Name(name)} of {entry.Length} bytes at byte {entry.LocalHeader}, where it is not");
        return new ZipEntry(data, entry.Length, entry.Checksum);
    }

    /// <summary>Reads a small file of the archive whole and checks its checksum.</summary>
    public byte[] ReadAll(string name, int limit)
    {
        ZipEntry entry = Find(name);
        if (entry.Length > limit) throw Bad($"has {entry.Length} bytes in its part {Quoted.Name(name)} (limit {limit})");
        byte[] content = _file.ReadUpTo(entry.Position, (int)entry.Length);
        CheckChecksum(name, entry, Crc32.HashToUInt32(content));
        return content;
    }

    public void CheckChecksum(string name, ZipEntry entry, uint found)
    {
        if (entry.Checksum != 0 && entry.Checksum != found)
            throw Bad($"has a wrong checksum in its part {Quoted.Name(name)} (found {found:x8}, expected {entry.Checksum:x8})");
    }

    private (long Position, long Length, long Count) FindDirectory()
    {
        int tailLength = (int)Math.Min(_file.Length, EndLength + ushort.MaxValue);
        long tailStart = _file.Length - tailLength;
        byte[] tail = _file.ReadUpTo(tailStart, tailLength);
        int end = tail.AsSpan().LastIndexOf("PK\x05\x06"u8);
        if (end < 0 || tail.Length - end < EndLength) throw Bad("has no directory at its end");
        ReadOnlySpan<byte> record = tail.AsSpan(end);
        if (U16(record, 4) is not (0 or Saturated16)) throw Bad("is one volume of several");
        (long position, long length, long count) = (U32(record, 16), U32(record, 12), U16(record, 10));
        if (position != Saturated32 && length != Saturated32 && count != Saturated16) return (position, length, count);

        Span<byte> locator = stackalloc byte[Zip64LocatorLength], zip64 = stackalloc byte[Zip64EndLength];
        _file.Read(tailStart + end - Zip64LocatorLength, locator);
        if (U32(locator, 0) != 0x07064b50) throw Bad("lacks its 64-bit directory record");
        _file.Read(I64(locator, 8), zip64);
        if (U32(zip64, 0) != 0x06064b50) throw Bad("lacks its 64-bit directory record");
        return (I64(zip64, 48), I64(zip64, 40), I64(zip64, 32));
    }

    private void ReadEntries(ReadOnlySpan<byte> directory, long count)
    {
        for (long i = 0; i < count; i++)
        {
            if (directory.Length < EntryLength || U32(directory, 0) != 0x02014b50) throw Bad("has a directory that ends early");
            int nameLength = U16(directory, 28), extraLength = U16(directory, 30);
            int total = EntryLength + nameLength + extraLength + U16(directory, 32);
            if (directory.Length < total) throw Bad("has a directory that ends early");
            string name = Encoding.UTF8.GetString(directory.Slice(EntryLength, nameLength));
            if ((U16(directory, 8) & 1) != 0) throw Bad($"has its part {Quoted.Name(name)} encrypted");
            int method = U16(directory, 10);
            if (method is not (0 or Deflate)) throw Bad($"has its part {Quoted.Name(name)} in the unknown form {method}");
            if (method == Deflate)
                throw new CheckpointException(_file.Path,
                    $"has its part {Quoted.Name(name)} compressed, and PyTorch stores them as they are: it was packed again by another "
                        + "program. Unzip it and zip it without compression (zip -0 -r), or save it again with torch.save.");
            (long length, long stored, long local) = Sizes(directory, directory.Slice(EntryLength + nameLength, extraLength), name);
            if (length != stored) throw Bad($"has its part {Quoted.Name(name)} of {length} bytes stored in {stored}");
            if (!_entries.TryAdd(name, (local, length, U32(directory, 16)))) throw Bad($"has its part {Quoted.Name(name)} twice");
            directory = directory[total..];
        }
    }

    // The 32-bit fields, each replaced by the next 64-bit value of the zip64 extra field where it is saturated.
    private (long Length, long Stored, long LocalHeader) Sizes(ReadOnlySpan<byte> entry, ReadOnlySpan<byte> extra, string name)
    {
        ReadOnlySpan<byte> wide = [];
        while (extra.Length >= 4)
        {
            int size = U16(extra, 2);
            if (size > extra.Length - 4) break;
            if (U16(extra, 0) == 1) wide = extra.Slice(4, size);
            extra = extra[(4 + size)..];
        }
        Span<long> fields = [U32(entry, 24), U32(entry, 20), U32(entry, 42)];
        foreach (ref long field in fields)
        {
            if (field != Saturated32) continue;
            if (wide.Length < 8) throw Bad($"lacks the 64-bit size of its part {Quoted.Name(name)}");
            field = I64(wide, 0);
            wide = wide[8..];
        }
        return (fields[0], fields[1], fields[2]);
    }

    private static int U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private long I64(ReadOnlySpan<byte> bytes, int at) =>
        BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]) is >= 0 and var value and < 1L << 60
            ? value
            : throw Bad("has an impossible size in its directory");

    private CheckpointException Bad(string reason) =>
        new(_file.Path, $"{reason}. It is not a valid zip archive: truncated or corrupt; download it again.");
}
