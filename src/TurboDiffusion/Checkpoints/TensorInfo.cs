using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Checkpoints;

/// <summary>What a checkpoint's header says of one tensor.</summary>
/// <param name="Name">The name in the file.</param>
/// <param name="Dtype">The element type in the file.</param>
/// <param name="Shape">The sizes, outermost first; empty for a scalar.</param>
public sealed record TensorInfo(string Name, torch.ScalarType Dtype, IReadOnlyList<long> Shape)
{
    private const int MaxNameLength = 1024;

    /// <summary>
    /// The file's own type where it is none of the element types and the tensor is decoded as it is read, such as <c>Q4_K</c> or
    /// <c>F8_E4M3</c>.
    /// </summary>
    public string? Encoding { get; init; }

    /// <summary>The bytes of the data in the file where the tensor is decoded as it is read; null for those of its type.</summary>
    public long? StoredBytes { get; init; }

    /// <summary>The bytes of the data in the file.</summary>
    public long StoredByteCount => StoredBytes ?? ByteCount;

    /// <summary>The number of elements.</summary>
    public long ElementCount => Shape.Aggregate(1L, (n, d) => checked(n * d));

    /// <summary>The number of bytes of the data.</summary>
    public long ByteCount => checked(ElementCount * ScalarTypes.Bytes(Dtype));

    /// <summary>The type and shape as messages show them, such as <c>Float32 [1536, 64]</c>.</summary>
    public override string ToString() => $"{Encoding ?? Dtype.ToString()} [{string.Join(", ", Shape)}]";

    /// <summary>Whether the name is one that a tensor can have: rules that match names cost their length many times over.</summary>
    internal bool HasSaneName => Name.Length is > 0 and <= MaxNameLength;

    /// <summary>Whether the sizes multiply to something that fits a 64-bit byte count, with any zero size left out.</summary>
    internal bool HasSaneSize
    {
        get
        {
            Int128 bytes = ScalarTypes.Bytes(Dtype);
            foreach (long size in Shape)
            {
                bytes *= Math.Max(size, 1);
                if (size < 0 || bytes > long.MaxValue) return false;
            }
            return true;
        }
    }

    /// <summary>The number of bytes when float tensors are converted.</summary>
    /// <param name="floatDtype">The type that floats become.</param>
    public long ByteCountAs(torch.ScalarType floatDtype) =>
        checked(ElementCount * ScalarTypes.Bytes(IsFloat(Dtype) ? floatDtype : Dtype));

    /// <summary>Whether a type is a floating-point one.</summary>
    /// <param name="dtype">The type.</param>
    public static bool IsFloat(torch.ScalarType dtype) => dtype
        is torch.ScalarType.Float16 or torch.ScalarType.BFloat16 or torch.ScalarType.Float32 or torch.ScalarType.Float64;
}
