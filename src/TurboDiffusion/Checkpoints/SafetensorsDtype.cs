using TorchSharp;

namespace TurboDiffusion.Checkpoints;

/// <summary>The names of element types in safetensors headers.</summary>
internal static class SafetensorsDtype
{
    private static readonly (string Name, torch.ScalarType Dtype)[] Known =
    [
        ("BOOL", torch.ScalarType.Bool),
        ("U8", torch.ScalarType.Byte),
        ("I8", torch.ScalarType.Int8),
        ("I16", torch.ScalarType.Int16),
        ("I32", torch.ScalarType.Int32),
        ("I64", torch.ScalarType.Int64),
        ("F16", torch.ScalarType.Float16),
        ("BF16", torch.ScalarType.BFloat16),
        ("F32", torch.ScalarType.Float32),
        ("F64", torch.ScalarType.Float64),
    ];

    public static torch.ScalarType? Parse(string name)
    {
        foreach ((string known, torch.ScalarType dtype) in Known)
            if (known == name) return dtype;
        return null;
    }

    /// <exception cref="ArgumentException">The format has no such type.</exception>
    public static string Format(torch.ScalarType dtype)
    {
        foreach ((string name, torch.ScalarType known) in Known)
            if (known == dtype) return name;
        throw new ArgumentException($"A safetensors file cannot hold tensors of type {dtype}.", nameof(dtype));
    }
}
