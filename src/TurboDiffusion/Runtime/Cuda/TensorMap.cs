namespace TurboDiffusion.Runtime.Cuda;

/// <summary>The description of a matrix that Hopper's copy engine reads: CUtensorMap, 128 bytes.</summary>
internal static unsafe class TensorMap
{
    /// <summary>Bytes of a map.</summary>
    public const int Size = 128;

    /// <summary>Where a map must lie.</summary>
    public const int Alignment = 64;

    // Rows and bytes of what is copied at once: the widest row that the swizzle takes.
    private const uint Box = 128;

    // CU_TENSOR_MAP_DATA_TYPE_UINT8, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B.
    private const int Bytes = 0, Swizzle128 = 3, Promotion256 = 3;

    /// <summary>
    /// Describes a matrix by its bytes, in boxes of 128 bytes of some rows, swizzled as the matrix products read them, zeros outside.
    /// </summary>
    /// <param name="map">Where to; <see cref="Size"/> bytes at a multiple of <see cref="Alignment"/>.</param>
    /// <param name="address">The matrix, at a multiple of 16.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="columns">Bytes of a row, a multiple of 16.</param>
    /// <param name="boxRows">Rows of a box.</param>
    /// <exception cref="EnvironmentException">The driver refuses it.</exception>
    public static void Describe(byte* map, void* address, long rows, long columns, uint boxRows = Box)
    {
        ulong* dimensions = stackalloc ulong[] { (ulong)columns, (ulong)rows };
        ulong pitch = (ulong)columns;
        uint* box = stackalloc uint[] { Box, boxRows };
        uint* strides = stackalloc uint[] { 1, 1 };
        CudaDriver.Check(CudaDriver.cuTensorMapEncodeTiled(map, Bytes, 2, address, dimensions, &pitch, box, strides, 0, Swizzle128,
            Promotion256, 0),
            $"cuTensorMapEncodeTiled of int8 [{rows}, {columns}]");
    }
}
