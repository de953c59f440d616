namespace TurboDiffusion.Runtime.Cuda;

/// <summary>The description of a matrix that Hopper's copy engine reads: CUtensorMap, 128 bytes.</summary>
internal static unsafe class TensorMap
{
    /// <summary>Bytes of a map.</summary>
    public const int Size = 128;

    /// <summary>Where a map must lie.</summary>
    public const int Alignment = 64;

    // Bytes of a row of what is copied at once: the most that the swizzle takes. And its rows, where nothing else is said.
    private const uint BoxBytes = 128;
    private const int BoxRows = 128;

    // CU_TENSOR_MAP_DATA_TYPE_UINT8, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B.
    private const int Bytes = 0, Swizzle128 = 3, Promotion256 = 3;

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
}
