namespace TurboDiffusion.Runtime.Cuda;

/// <summary>The description of a tensor that Hopper's copy engine reads: CUtensorMap, 128 bytes.</summary>
internal static unsafe class TensorMap
{
    /// <summary>Bytes of a map.</summary>
    public const int Size = 128;

    /// <summary>Where a map must lie.</summary>
    public const int Alignment = 64;

    // Bytes of a row of what is copied at once: the most that the swizzle takes. And its rows, where nothing else is said.
    private const uint BoxBytes = 128;
    private const int BoxRows = 128;

    // CU_TENSOR_MAP_L2_PROMOTION_L2_256B.
    private const int Promotion256 = 3;

    /// <summary>
    /// Describes a matrix in boxes of rows of 128 bytes, swizzled as the matrix products read them, zeros outside.
    /// </summary>
    /// <param name="device">Whose copy engine reads it.</param>
    /// <param name="map">Where to; <see cref="Size"/> bytes at a multiple of <see cref="Alignment"/>.</param>
    /// <param name="address">The matrix, at a multiple of 16.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="columns">Bytes of a row, a multiple of 16.</param>
    /// <param name="boxRows">Rows of a box, at most 256.</param>
    /// <param name="pitch">Bytes from a row to the next, a multiple of 16; null: the rows lie side by side.</param>
    /// <exception cref="EnvironmentException">The device refuses it.</exception>
    public static void Describe(IKernelDevice device, byte* map, void* address, long rows, long columns, int boxRows = BoxRows,
        long? pitch = null) =>
        device.Describe(map, new TensorLayout((nint)address, TensorElement.Byte, [(ulong)columns, (ulong)rows], [(ulong)(pitch ?? columns)],
            [BoxBytes, (uint)boxRows], TensorSwizzle.Bytes128));

    /// <summary>
    /// Describes bfloat16 values of three axes, in boxes whose rows of 64 bytes are swizzled as the matrix products read them,
    /// zeros outside.
    /// </summary>
    /// <param name="device">Whose copy engine reads it.</param>
    /// <param name="map">Where to; <see cref="Size"/> bytes at a multiple of <see cref="Alignment"/>.</param>
    /// <param name="address">The values, at a multiple of 16.</param>
    /// <param name="sizes">Of the axes, the slowest first; the last is a multiple of 8.</param>
    /// <param name="box">Likewise of a box; the last is 32.</param>
    /// <param name="planePitch">Values from a plane to the next; null: they lie side by side, as rows do.</param>
    /// <exception cref="EnvironmentException">The device refuses it.</exception>
    public static void Describe(IKernelDevice device, byte* map, void* address, (long Planes, long Rows, long Columns) sizes,
        (int Planes, int Rows, int Columns) box, long? planePitch = null)
    {
        ulong pitch = sizeof(ushort) * (ulong)sizes.Columns,
            between = sizeof(ushort) * (ulong)(planePitch ?? sizes.Rows * sizes.Columns);
        device.Describe(map, new TensorLayout((nint)address, TensorElement.Bfloat16,
            [(ulong)sizes.Columns, (ulong)sizes.Rows, (ulong)sizes.Planes], [pitch, between],
            [(uint)box.Columns, (uint)box.Rows, (uint)box.Planes], TensorSwizzle.Bytes64));
    }

    /// <summary>Writes a GPU's map.</summary>
    /// <param name="map">Where to.</param>
    /// <param name="layout">The tensor.</param>
    /// <exception cref="EnvironmentException">The driver refuses it.</exception>
    public static void Encode(byte* map, TensorLayout layout)
    {
        int rank = layout.Sizes.Length;
        uint* strides = stackalloc uint[rank];
        new Span<uint>(strides, rank).Fill(1);
        fixed (ulong* sizes = layout.Sizes, pitches = layout.Pitches)
        fixed (uint* box = layout.Box)
            CudaDriver.Check(
                CudaDriver.cuTensorMapEncodeTiled(map, (int)layout.Element, (uint)rank, (void*)layout.Address, sizes, pitches, box, strides,
                    0, (int)layout.Swizzle, Promotion256, 0),
                $"cuTensorMapEncodeTiled of {layout.Element} [{string.Join(", ", layout.Sizes.Reverse())}]");
    }
}
