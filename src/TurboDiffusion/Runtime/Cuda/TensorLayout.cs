namespace TurboDiffusion.Runtime.Cuda;

/// <summary>A tensor in global memory, and the box of it that is copied at once; dimensions from the innermost on.</summary>
/// <param name="Address">The tensor, at a multiple of 16.</param>
/// <param name="Element">Its element type.</param>
/// <param name="Sizes">Elements of each dimension.</param>
/// <param name="Pitches">Bytes from one to the next of each dimension but the innermost, multiples of 16.</param>
/// <param name="Box">Elements of the box in each dimension.</param>
/// <param name="Swizzle">How the box lies in shared memory.</param>
internal readonly record struct TensorLayout(
    nint Address, TensorElement Element, ulong[] Sizes, ulong[] Pitches, uint[] Box, TensorSwizzle Swizzle);

/// <summary>CUtensorMapDataType.</summary>
internal enum TensorElement
{
    /// <summary>One byte, of any meaning.</summary>
    Byte = 0,

    /// <summary>bfloat16.</summary>
    Bfloat16 = 9,

    /// <summary>float32.</summary>
    Float32 = 7,
}

/// <summary>CUtensorMapSwizzle: which 16-byte chunks of neighbouring rows change places, so that no bank is met twice.</summary>
internal enum TensorSwizzle
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Within rows of 32 bytes.</summary>
    Bytes32 = 1,

    /// <summary>Within rows of 64 bytes.</summary>
    Bytes64 = 2,

    /// <summary>Within rows of 128 bytes.</summary>
    Bytes128 = 3,
}
