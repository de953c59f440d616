using TorchSharp;

namespace TurboDiffusion.Checkpoints.PyTorch;

// What an unpickled file may hold, beside string, long, BigInteger, double, bool, byte[], object?[] (a tuple),
// List<object?> and null. Everything that is of no interest here is a PickleOpaque.

/// <summary>A dict or an OrderedDict; entries whose key is not text are only counted.</summary>
internal sealed class PickleDict
{
    // What an entry takes in memory beside its key, roughly.
    private const int EntryCost = 16;

    private static readonly Dictionary<string, object?> None = [];

    private Dictionary<string, object?>? _items;

    public IReadOnlyDictionary<string, object?> Items => _items ?? None;

    public int OtherKeys { get; private set; }

    public bool HasTensors { get; private set; }

    /// <summary>Sets an entry. A key costs its hash and its comparison.</summary>
    public void Set(PickleInput input, object? key, object? value)
    {
        input.Spend(EntryCost + (key is string text ? 2L * text.Length : 0));
        HasTensors |= value is PickleTensor;
        if (key is string name) (_items ??= [])[name] = value;
        else OtherKeys++;
    }
}

/// <summary>A name that a pickle asked for and that is on the list of what it may ask for.</summary>
internal sealed record PickleGlobal(string Name, torch.ScalarType? StorageDtype = null);

/// <summary>A value that is allowed in a checkpoint and has no meaning for us: a set, a dtype, a device.</summary>
internal sealed record PickleOpaque
{
    public static readonly PickleOpaque Instance = new();
}

/// <summary>A block of elements in the file.</summary>
/// <param name="Key">Its name in the file.</param>
/// <param name="Dtype">The element type that this reference gives it.</param>
/// <param name="Count">Its elements.</param>
internal sealed record PickleStorage(string Key, torch.ScalarType Dtype, long Count);

/// <summary>A view of a storage; sizes, strides and offset count elements and are not checked yet.</summary>
internal sealed record PickleTensor(PickleStorage Storage, long Offset, long[] Sizes, long[] Strides);
