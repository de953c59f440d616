using TorchSharp;

namespace TurboDiffusion.Runtime;

/// <summary>Facts of element types.</summary>
internal static class ScalarTypes
{
    /// <summary>Bytes of an element.</summary>
    /// <param name="dtype">A type that checkpoints hold.</param>
    /// <exception cref="ArgumentOutOfRangeException">They hold no tensors of it.</exception>
    public static int Bytes(torch.ScalarType dtype) => dtype switch
    {
        torch.ScalarType.Bool or torch.ScalarType.Byte or torch.ScalarType.Int8 => 1,
        torch.ScalarType.Int16 or torch.ScalarType.Float16 or torch.ScalarType.BFloat16 => 2,
        torch.ScalarType.Int32 or torch.ScalarType.Float32 => 4,
        torch.ScalarType.Int64 or torch.ScalarType.Float64 => 8,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Checkpoints hold no tensors of this type."),
    };
}
