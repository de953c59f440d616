namespace TurboDiffusion.Runtime.Cuda;

/// <summary>The description of a matrix, or of more axes, that Hopper's copy engine reads: CUtensorMap, 128 bytes.</summary>
internal static unsafe class TensorMap
{
    /// <summary>Bytes of a map.</summary>
    public const int Size = 128;

    /// <summary>Where a map must lie.</summary>
    public const int Alignment = 64;

    // Bytes of a row of what is copied at once: the most that the swizzle takes. And its rows, where nothing else is said.
    private const uint BoxBytes = 128;
    private const int BoxRows = 128;

    // CU_TENSOR_MAP_DATA_TYPE_UINT8 and _BFLOAT16, CU_TENSOR_MAP_SWIZZLE_64B and _128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B.
    private const int Bytes = 0, BFloat16 = 9, Swizzle64 = 2, Swizzle128 = 3, Promotion256 = 3;

    /// <summary>
    /// Describes a matrix in boxes of rows of 128 bytes, swizzled as the matrix products read them, zeros outside.
    /// </summary>
    /// <param name="map">Where to; <see cref="Size"/> bytes at a multiple of <see cref="Alignment"/>.</param>
    /// <param name="address">The matrix, at a multiple of 16.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="columns">Bytes of a row, a multiple of 16.</param>
    /// <param name="boxRows">Rows of a box, at most 256.</param>
    /// <param name="pitch">Bytes from a row to the next, a multiple of 16; null: the rows lie side by side.</param>
    /// <exception cref="EnvironmentException">The driver refuses it.</exception>
    public static void Describe(byte* map, void* address, long rows, long columns, int boxRows = BoxRows, long? pitch = null)
    {
        ulong* dimensions = stackalloc ulong[] { (ulong)columns, (ulong)rows };
        ulong distance = (ulong)(pitch ?? columns);
        uint* box = stackalloc uint[] { BoxBytes, (uint)boxRows };
        uint* strides = stackalloc uint[] { 1, 1 };
        CudaDriver.Check(CudaDriver.cuTensorMapEncodeTiled(map, Bytes, 2, address, dimensions, &distance, box, strides, 0, Swizzle128,
            Promotion256, 0),
            $"cuTensorMapEncodeTiled of bytes [{rows}, {columns}]");
    }

    /// <summary>
    /// Describes contiguous bfloat16 values of three axes, in boxes whose rows of 64 or 128 bytes are swizzled as the matrix products
    /// read them, zeros outside.
    /// </summary>
    /// <param name="map">Where to; <see cref="Size"/> bytes at a multiple of <see cref="Alignment"/>.</param>
    /// <param name="address">The values, at a multiple of 16.</param>
    /// <param name="sizes">Of the axes, the slowest first; the last is a multiple of 8.</param>
    /// <param name="boxes">Likewise of a box; the last is 32 or 64.</param>
    /// <exception cref="EnvironmentException">The driver refuses it.</exception>
    public static void Describe(
        byte* map, void* address, (long Planes, long Rows, long Columns) sizes, (int Planes, int Rows, int Columns) boxes)
    {
        ulong pitch = sizeof(ushort) * (ulong)sizes.Columns;
        ulong* dimensions = stackalloc ulong[] { (ulong)sizes.Columns, (ulong)sizes.Rows, (ulong)sizes.Planes };
        ulong* pitches = stackalloc ulong[] { pitch, pitch * (ulong)sizes.Rows };
        uint* box = stackalloc uint[] { (uint)boxes.Columns, (uint)boxes.Rows, (uint)boxes.Planes };
        uint* strides = stackalloc uint[] { 1, 1, 1 };
        int swizzle = boxes.Columns * sizeof(ushort) == BoxBytes ? Swizzle128 : Swizzle64;
        CudaDriver.Check(CudaDriver.cuTensorMapEncodeTiled(map, BFloat16, 3, address, dimensions, pitches, box, strides, 0, swizzle,
            Promotion256, 0),
            $"cuTensorMapEncodeTiled of bfloat16 {sizes} in boxes {boxes}");
    }
}
