using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.IO.Hashing;
using System.Numerics;
using TorchSharp;
using TurboDiffusion.Checkpoints.PyTorch;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// A PyTorch checkpoint (<c>.pth</c>, <c>.pt</c>, <c>.bin</c>) in the zip form of PyTorch 1.6 and later or in the legacy
/// form before it. Its pickle is read by a restricted machine that builds tensors and plain containers and runs
/// nothing; any other content is refused by name. The tensors' data is read when asked for, from its place in the file.
/// </summary>
/// <remarks>Format: PyTorch, torch/serialization.py, <c>_save</c> and <c>_legacy_save</c>.</remarks>
public sealed class PyTorchFile : ICheckpoint
{
    private const int MaxPickleBytes = 8 << 20;

    // The first pickle of the legacy form.
    private static readonly BigInteger LegacyMagic =
        BigInteger.Parse("119547037146038801333356", System.Globalization.CultureInfo.InvariantCulture);

    private readonly CheckpointFile _file;
    private readonly Dictionary<string, StoredTensor> _stored = [];
    private readonly Dictionary<string, TensorInfo> _tensors = [];
    private readonly Dictionary<string, ZipEntry> _storages = [];
    private readonly ConcurrentDictionary<string, bool> _verified = [];
    private Dictionary<string, string> _metadata = [];

    private PyTorchFile(CheckpointFile file) => _file = file;

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <summary>The plain values (text, numbers) that lie beside the tensors, such as the iteration of a training checkpoint.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Opens a file and reads its pickle.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">The file is missing, truncated, malicious, or not a PyTorch checkpoint of tensors.</exception>
    public static PyTorchFile Open(string path)
    {
        CheckpointFile file = CheckpointFile.Open(path);
        try
        {
            var checkpoint = new PyTorchFile(file);
            if (IsZip(file.ReadUpTo(0, 4))) checkpoint.ReadZip();
            else checkpoint.ReadLegacy();
            return checkpoint;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public torch.Tensor Read(string name)
    {
        if (!_stored.TryGetValue(name, out StoredTensor? stored))
            throw new CheckpointException(Path, $"has no tensor named {Quoted.Name(name)}.");
        ZipEntry storage = _storages[stored.Storage.Key];
        if (storage.Checksum != 0 && !_verified.ContainsKey(stored.Storage.Key)) Verify(stored.Storage.Key, storage);
        return stored.Read(_file, storage.Position);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    internal static bool IsZip(ReadOnlySpan<byte> head) => head.StartsWith("PK\x03\x04"u8);

    internal static bool IsPickle(ReadOnlySpan<byte> head) => head is [0x80, >= 2 and <= 5, ..];

    private void ReadZip()
    {
        var zip = new ZipDirectory(_file);
        string[] pickles = [.. zip.Names.Where(n => n.EndsWith("/data.pkl", StringComparison.Ordinal))];
        if (pickles.Length != 1)
            throw Bad($"is a zip archive with {pickles.Length} files named data.pkl, where a PyTorch checkpoint has one");
        string folder = pickles[0][..^"data.pkl".Length];
        if (zip.Contains(folder + "byteorder") && !zip.ReadAll(folder + "byteorder", 16).AsSpan().SequenceEqual("little"u8))
            throw Bad("was saved on a big-endian machine, which is not supported");
        if (zip.Contains(folder + "constants.pkl"))
            throw Bad("is a TorchScript program, not a checkpoint of tensors. Save the model's state_dict() instead");

        // Checks the checksum before a byte of it is interpreted.
        int length = zip.ReadAll(pickles[0], MaxPickleBytes).Length;
        ZipEntry pickle = zip.Find(pickles[0]);
        var unpickler = new Unpickler(_file, pickle.Position, pickle.Position + length);
        var state = new StateDict(Path, unpickler.Load());
        foreach ((string key, PickleStorage storage) in unpickler.Storages)
        {
            ZipEntry entry = zip.Find($"{folder}data/{key}");
            if ((Int128)storage.Count * ScalarTypes.Bytes(storage.Dtype) != entry.Length)
                throw Bad($"has storage {Quoted.Name(key)} of {storage.Count} {storage.Dtype} elements in {entry.Length} bytes");
            _storages.Add(key, entry);
        }
        AddTensors(state);
    }

    // Pickles of the magic number, the version, the system, the object and the storages' keys; then each storage's
    // element count (8 bytes) and data.
    private void ReadLegacy()
    {
        var unpickler = new Unpickler(_file, 0, _file.Length);
        if (unpickler.Load() is not BigInteger magic || magic != LegacyMagic) throw Bad("is a Python pickle, but not a PyTorch checkpoint");
        if (unpickler.Load() is not 1001L) throw Bad("is a PyTorch checkpoint of an unknown version");
        if (unpickler.Load() is not PickleDict system || system.Items.GetValueOrDefault("little_endian") is not true)
            throw Bad("was saved on a big-endian machine, which is not supported");
        var state = new StateDict(Path, unpickler.Load());
        if (unpickler.Load() is not List<object?> keys) throw Bad("has no list of storages");
        long position = unpickler.Position;
        Span<byte> count = stackalloc byte[8];
        foreach (object? item in keys)
        {
            if (item is not string key || !unpickler.Storages.TryGetValue(key, out PickleStorage? storage) || _storages.ContainsKey(key))
                throw Bad("lists a storage that no tensor uses, or lists one twice");
            _file.Read(position, count);
            long elements = BinaryPrimitives.ReadInt64LittleEndian(count);
            position += count.Length;
            if (elements != storage.Count || (Int128)elements * ScalarTypes.Bytes(storage.Dtype) > _file.Length - position)
                throw Bad($"has storage {Quoted.Name(key)} of {storage.Count} {storage.Dtype} elements, and {elements} elements in "
                    + $"{_file.Length - position} bytes");
            long length = elements * ScalarTypes.Bytes(storage.Dtype);
            _storages.Add(key, new ZipEntry(position, length, 0));
            position += length;
        }
        if (unpickler.Storages.Keys.FirstOrDefault(key => !_storages.ContainsKey(key)) is { } missing)
            throw Bad($"does not list storage {Quoted.Name(missing)}, which a tensor uses");
        AddTensors(state);
    }

    private void AddTensors(StateDict state)
    {
        _metadata = state.Metadata;
        foreach ((string name, PickleTensor view) in state.Tensors)
        {
            var stored = new StoredTensor(Path, _file.Length, name, view);
            _stored.Add(name, stored);
            _tensors.Add(name, stored.Info);
        }
    }

    private void Verify(string key, ZipEntry storage)
    {
        byte[] buffer = new byte[(int)Math.Min(storage.Length, 1 << 20)];
        var crc = new Crc32();
        for (long at = 0; at < storage.Length; at += buffer.Length)
        {
            Span<byte> chunk = buffer.AsSpan(0, (int)Math.Min(buffer.Length, storage.Length - at));
            _file.Read(storage.Position + at, chunk);
            crc.Append(chunk);
        }
        uint checksum = crc.GetCurrentHashAsUInt32();
        if (checksum != storage.Checksum)
            throw Bad($"has a wrong checksum in the data of storage {Quoted.Name(key)} (found {checksum:x8}, expected "
                + $"{storage.Checksum:x8})");
        _verified.TryAdd(key, true);
    }

    private CheckpointException Bad(string reason) => new(Path, $"{reason}. It is damaged or not supported.");
}
