using System.Numerics;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Checkpoints.PyTorch;

/// <summary>
/// A restricted pickle machine (protocols 2 to 5): plain containers, numbers and text, tensors, and the names that
/// <see cref="PickleGlobals"/> lists. It has no recursion, and its work and memory are in proportion to the bytes it
/// reads, which are limited.
/// </summary>
/// <remarks>Opcodes: CPython, Lib/pickletools.py.</remarks>
internal sealed class Unpickler(CheckpointFile file, long start, long end)
{
    private const int MaxOperations = 2_000_000;

    // A reference on the stack or in the memo.
    private const int ReferenceBytes = 8, OperationCost = ReferenceBytes;

    private readonly PickleInput _input = new(file, start, end);
    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];

    /// <summary>Where the next pickle begins in the file.</summary>
    public long Position => _input.Position;

    /// <summary>Every storage that the pickles refer to, by key.</summary>
    public Dictionary<string, PickleStorage> Storages { get; } = [];

    /// <summary>Runs one pickle to its end.</summary>
    /// <returns>Its value; it may contain itself.</returns>
    public object? Load()
    {
        _stack.Clear();
        _marks.Clear();
        _memo.Clear();
        for (int count = 0; count < MaxOperations; count++)
        {
            byte opcode = _input.Byte();
            _input.Spend(OperationCost);
            if (opcode == '.') return Pop();
            Execute(opcode);
        }
        throw _input.Bad($"takes more than {MaxOperations} operations");
    }

    private void Execute(byte opcode)
    {
        switch (opcode)
        {
            case 0x80: if (_input.Byte() is < 2 or > 5) throw _input.Bad("is of another protocol than 2 to 5"); break;
            case 0x95: _input.U64(); break; // FRAME: a hint for readers that prefetch.

            case (byte)'N': Push(null); break;
            case 0x88: Push(true); break;
            case 0x89: Push(false); break;
            case (byte)'K': Push((long)_input.Byte()); break;
            case (byte)'M': Push((long)_input.U16()); break;
            case (byte)'J': Push((long)_input.I32()); break;
            case 0x8a: Push(Integer(_input.Bytes(_input.Byte()))); break;
            case (byte)'G': Push(_input.Double()); break;
            case (byte)'X': Push(_input.Text(_input.U32())); break;
            case 0x8c: Push(_input.Text(_input.Byte())); break;
            case 0x8d: Push(_input.Text(_input.U64())); break;
            case (byte)'U': Push(_input.Text(_input.Byte())); break;
            case (byte)'B': Push(_input.Bytes(_input.U32())); break;
            case (byte)'C': Push(_input.Bytes(_input.Byte())); break;
            case 0x8e: Push(_input.Bytes(_input.U64())); break;

            case (byte)'(': _marks.Add(_stack.Count); break;
            case (byte)'0': Pop(); break;
            case (byte)'1': PopMark(); break;
            case (byte)'2': Push(Peek()); break;

            case (byte)')': Push(Array.Empty<object?>()); break;
            case 0x85: PushTuple(1); break;
            case 0x86: PushTuple(2); break;
            case 0x87: PushTuple(3); break;
            case (byte)'t': Push(PopMark()); break;
            case (byte)']': Push(new List<object?>()); break;
            case (byte)'l': Push(PopMark().ToList()); break;
            case (byte)'a': { object? item = Pop(); Peek<List<object?>>().Add(item); break; }
            case (byte)'e': { object?[] items = PopMark(); Peek<List<object?>>().AddRange(items); break; }
            case (byte)'}': Push(new PickleDict()); break;
            case (byte)'d': { object?[] items = PopMark(); Push(new PickleDict()); SetItems(items); break; }
            case (byte)'s': { object? value = Pop(); SetItems([Pop(), value]); break; }
            case (byte)'u': SetItems(PopMark()); break;
            case 0x8f: Push(PickleOpaque.Instance); break; // EMPTY_SET
            case 0x90: PopMark(); Peek<PickleOpaque>(); break; // ADDITEMS
            case 0x91: PopMark(); Push(PickleOpaque.Instance); break; // FROZENSET

            case (byte)'q': _memo[_input.Byte()] = Peek(); break;
            case (byte)'r': _memo[_input.U32()] = Peek(); break;
            case 0x94: _memo[(uint)_memo.Count] = Peek(); break;
            case (byte)'h': Push(Recall(_input.Byte())); break;
            case (byte)'j': Push(Recall(_input.U32())); break;

            case (byte)'c': Push(PickleGlobals.Find(_input, _input.Line(), _input.Line())); break;
            case 0x93: { string name = Pop<string>(); Push(PickleGlobals.Find(_input, Pop<string>(), name)); break; }
            case (byte)'R' or 0x81: { object?[] arguments =
                Pop<object?[]>(); Push(PickleGlobals.Call(_input, Pop<PickleGlobal>(), arguments)); break; }
            case (byte)'b': Pop(); Peek<PickleDict>(); break; // BUILD: the attributes of a state dict (its versions) are of no use here.
            case (byte)'Q': Push(Storage(Pop<object?[]>())); break;

            default: throw _input.Bad($"has the operation 0x{opcode:x2}, which a checkpoint of tensors has no need of");
        }
    }

    // ('storage', type, key, location, element count) and, in the legacy form, view metadata, which PyTorch 0.2 was the last to use.
    private PickleStorage Storage(object?[] id)
    {
        _input.Spend(ReferenceBytes * id.Length + (id.Length > 2 && id[2] is string name ? 2L * name.Length : 0));
        if (id is not ["storage", PickleGlobal { StorageDtype: { } dtype }, string key, string, long count, .. object?[] rest]
            || rest is not ([] or [null]) || count < 0)
            throw _input.Bad("refers to a storage in an unknown way");
        var storage = new PickleStorage(key, dtype, count);
        if (!Storages.TryAdd(key, storage) && Storages[key] is var known
            && (Int128)known.Count * ScalarTypes.Bytes(known.Dtype) != (Int128)count * ScalarTypes.Bytes(dtype))
            throw _input.Bad($"gives storage {Quoted.Name(key)} two sizes");
        return storage;
    }

    private static object Integer(byte[] littleEndian)
    {
        var value = new BigInteger(littleEndian);
        return value >= long.MinValue && value <= long.MaxValue ? (long)value : value;
    }

    private void SetItems(object?[] items)
    {
        if (items.Length % 2 != 0) throw _input.Bad("sets a key without a value");
        PickleDict dict = Peek<PickleDict>();
        for (int i = 0; i < items.Length; i += 2) dict.Set(_input, items[i], items[i + 1]);
    }

    private void PushTuple(int length)
    {
        var items = new object?[length];
        for (int i = length - 1; i >= 0; i--) items[i] = Pop();
        Push(items);
    }

    private void Push(object? value) => _stack.Add(value);

    private object? Peek() => _stack.Count > Floor ? _stack[^1] : throw _input.Bad("takes from an empty stack");

    private T Peek<T>() => Peek() is T value ? value : throw _input.Bad($"has an operand of the wrong type");

    private object? Pop()
    {
        object? value = Peek();
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private T Pop<T>() => Pop() is T value ? value : throw _input.Bad("has an operand of the wrong type");

    private object?[] PopMark()
    {
        if (_marks.Count == 0) throw _input.Bad("lacks a mark");
        int mark = Floor;
        _marks.RemoveAt(_marks.Count - 1);
        object?[] items = [.. _stack[mark..]];
        _input.Spend(ReferenceBytes * items.Length);
        _stack.RemoveRange(mark, items.Length);
        return items;
    }

    private int Floor => _marks.Count > 0 ? _marks[^1] : 0;

    private object? Recall(uint index) =>
        _memo.TryGetValue(index, out object? value) ? value : throw _input.Bad($"recalls value {index}, which it never stored");
}
