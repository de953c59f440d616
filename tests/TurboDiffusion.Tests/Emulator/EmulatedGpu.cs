using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using TurboDiffusion.Runtime.Cuda;
using Xunit;

namespace TurboDiffusion.Tests.Emulator;

/// <summary>
/// A Hopper GPU on the CPU: runs the kernels' own sources, with tensors on the CPU, from the launch on. What is functionally wrong on a
/// GPU is wrong here too; what is only slow is not seen.
/// </summary>
internal sealed unsafe class EmulatedGpu : IKernelDevice
{
    private static readonly ConcurrentDictionary<KernelProgram, Lazy<EmulatedKernel>> Kernels = new();

    /// <inheritdoc/>
    public int SharedBytes => 227 << 10;

    /// <summary>Few, so that a kernel that goes from tile to tile has several.</summary>
    public int Multiprocessors => 4;

    /// <inheritdoc/>
    public void Launch(KernelProgram program, KernelLaunch launch, void** arguments)
    {
        Assert.True(launch.SharedBytes <= SharedBytes, $"{program} asks for {launch.SharedBytes} bytes of shared memory");
        Kernels.GetOrAdd(program, p => new Lazy<EmulatedKernel>(() => new EmulatedKernel(p))).Value.Launch(launch, arguments);
    }

    /// <inheritdoc/>
    public void Describe(byte* map, TensorLayout layout)
    {
        int rank = layout.Sizes.Length, bytes = ElementBytes(layout.Element);
        bool swizzled = layout.Swizzle != TensorSwizzle.None;
        // What the driver refuses.
        Assert.True(layout.Pitches.Length == rank - 1 && layout.Box.Length == rank && rank is >= 1 and <= MapImage.MostDimensions);
        Assert.True(layout.Address % 16 == 0 && (long)map % TensorMap.Alignment == 0, "a tensor or its map is not aligned");
        Assert.All(layout.Pitches, pitch => Assert.True(pitch % 16 == 0 && pitch < 1UL << 40, $"a pitch of {pitch}"));
        Assert.All(layout.Box, box => Assert.InRange(box, 1u, 256u));
        Assert.All(layout.Sizes, size => Assert.InRange(size, 1UL, 1UL << 32));
        long inner = layout.Box[0] * bytes;
        Assert.True(inner % 16 == 0 && (!swizzled || inner <= 16 << (int)layout.Swizzle), $"the box has rows of {inner} bytes");

        var image = new MapImage { Mark = MapImage.Known, Address = (ulong)layout.Address };
        (image.Rank, image.ElementBytes, image.Swizzle) = ((byte)rank, (byte)bytes, (byte)layout.Swizzle);
        for (int i = 0; i < rank; i++) (image.Box[i], image.Sizes[i]) = (layout.Box[i], layout.Sizes[i]);
        for (int i = 0; i + 1 < rank; i++) image.Pitches[i] = layout.Pitches[i];
        *(MapImage*)map = image;
    }

    private static int ElementBytes(TensorElement element) => element switch
    {
        TensorElement.Byte => 1,
        TensorElement.Bfloat16 => 2,
        _ => 4,
    };

    // struct Map of copies.h.
    [StructLayout(LayoutKind.Sequential, Size = TensorMap.Size)]
    private struct MapImage
    {
        public const int MostDimensions = 5;
        public const ulong Known = 0x70616d726f736e74;

        public ulong Mark, Address;
        public byte Rank, ElementBytes, Swizzle, Unused;
        public fixed uint Box[MostDimensions];
        public fixed ulong Sizes[MostDimensions];
        public fixed ulong Pitches[MostDimensions - 1];
    }
}
