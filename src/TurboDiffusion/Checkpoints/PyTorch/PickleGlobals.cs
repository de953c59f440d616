using System.Text;
using TorchSharp;

namespace TurboDiffusion.Checkpoints.PyTorch;

/// <summary>
/// The whole of what a pickle may name and call: rebuilding tensors and building plain containers, each done by code
/// of our own on values that are checked. Nothing that a file names is ever looked up or run.
/// </summary>
internal static class PickleGlobals
{
    private static readonly Dictionary<string, PickleGlobal> Allowed = MakeAllowed();

    public static PickleGlobal Find(PickleInput input, string module, string name)
    {
        input.Spend(module.Length + name.Length);
        string full = $"{module}.{name}";
        if (Allowed.TryGetValue(full, out PickleGlobal? global)) return global;
        throw new CheckpointException(input.Path, full is "torch._utils._rebuild_tensor_v3"
            ? "holds tensors in 8-bit floats or another type without a storage class, which are not supported. Use the bf16 or fp16 file "
                + "of this model."
            : $"asks for {Quoted.Name(full)}, which a checkpoint of tensors has no need of; nothing was executed. "
              + "If you trust its source, save only the tensors with PyTorch: torch.save(model.state_dict(), path).");
    }

    /// <summary>The result of calling an allowed name with a tuple of arguments.</summary>
    public static object? Call(PickleInput input, PickleGlobal global, object?[] arguments) => (global.Name, arguments) switch
    {
        ("torch._utils._rebuild_tensor_v2", [PickleStorage storage, long offset, object?[] sizes, object?[] strides, _, _, ..]) =>
            new PickleTensor(storage, offset, Numbers(input, sizes), Numbers(input, strides)),
        ("torch._utils._rebuild_tensor", [PickleStorage storage, long offset, object?[] sizes, object?[] strides]) =>
            new PickleTensor(storage, offset, Numbers(input, sizes), Numbers(input, strides)),
        ("torch._utils._rebuild_parameter", [PickleTensor data, _, _]) => data,
        ("collections.OrderedDict", []) => new PickleDict(),
        ("collections.OrderedDict", [List<object?> pairs]) => Dict(input, pairs),
        ("torch.Size", [object?[] sizes]) => sizes,
        ("torch.device", [string, ..]) => PickleOpaque.Instance,
        ("builtins.set" or "builtins.frozenset" or "__builtin__.set" or "__builtin__.frozenset", [List<object?>]) => PickleOpaque.Instance,
        ("_codecs.encode", [string text, "latin1"]) => Bytes(input, text),
        _ => throw input.Bad($"calls {Quoted.Name(global.Name)} with arguments that it does not take"),
    };

    private static long[] Numbers(PickleInput input, object?[] values) => values.Length > 16
        ? throw input.Bad($"has a tensor with {values.Length} dimensions")
        : [.. values.Select(v => v is long n ? n : throw input.Bad("has a tensor with a size that is not a number"))];

    private static byte[] Bytes(PickleInput input, string text)
    {
        input.Spend(text.Length);
        return Encoding.Latin1.GetBytes(text);
    }

    private static PickleDict Dict(PickleInput input, List<object?> pairs)
    {
        var dict = new PickleDict();
        foreach (object? pair in pairs)
        {
            if (pair is List<object?> { Count: 2 } list) dict.Set(input, list[0], list[1]);
            else if (pair is object?[] { Length: 2 } tuple) dict.Set(input, tuple[0], tuple[1]);
            else throw input.Bad("builds an OrderedDict from something else than pairs");
        }
        return dict;
    }

    private static Dictionary<string, PickleGlobal> MakeAllowed()
    {
        string[] callable =
        [
            "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor", "torch._utils._rebuild_parameter",
            "collections.OrderedDict", "torch.Size", "torch.device", "_codecs.encode",
            "builtins.set", "builtins.frozenset", "__builtin__.set", "__builtin__.frozenset",
        ];
        string[] dtypes =
        [
            "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64",
        ];
        (string Name, torch.ScalarType Dtype)[] storages =
        [
            ("BoolStorage", torch.ScalarType.Bool), ("ByteStorage", torch.ScalarType.Byte),
            ("CharStorage", torch.ScalarType.Int8), ("ShortStorage", torch.ScalarType.Int16),
            ("IntStorage", torch.ScalarType.Int32), ("LongStorage", torch.ScalarType.Int64),
            ("HalfStorage", torch.ScalarType.Float16), ("BFloat16Storage", torch.ScalarType.BFloat16),
            ("FloatStorage", torch.ScalarType.Float32), ("DoubleStorage", torch.ScalarType.Float64),
        ];
        return callable.Select(name => new PickleGlobal(name))
            .Concat(dtypes.Select(name => new PickleGlobal($"torch.{name}")))
            .Concat(storages.Select(s => new PickleGlobal($"torch.{s.Name}", s.Dtype)))
            .ToDictionary(global => global.Name);
    }
}
