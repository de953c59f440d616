using System.Runtime.InteropServices;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Convolution;

/// <summary><see cref="CausalHead"/> in one pass: <c>native/convolution/causal_head.cu</c>.</summary>
internal static unsafe class CausalHeadKernel
{
    private const string Name = "causal_head";
    private const int Threads = 256, Tile = 16, Around = Tile + 2, MostChannels = 96, MostOutputs = 5;

    /// <summary>Which form runs.</summary>
    /// <param name="offered">What the machine offers.</param>
    /// <param name="p">The problem.</param>
    public static KernelChoice Choose(KernelChoice offered, CausalConvolution.Problem p) => offered
        .RequireForSm90(false, offered.Reason)
        .Require(p.Dtype == ScalarType.BFloat16, "the kernel takes bfloat16")
        .Require(p is { KernelFrames: 3, Kernel: 3 }, "the kernel spans 3 frames of 3 rows and columns")
        .Require(p.Channels is > 0 and <= MostChannels && p.Channels % 32 == 0 && p.Outputs is > 0 and <= MostOutputs,
            $"the kernel takes multiples of 32 channels up to {MostChannels}, and gives up to {MostOutputs}")
        .Require(p is { Frames: > 0 and < 1 << 15, Height: > 0 and < 1 << 15, Width: > 0 and < 1 << 15 },
            "the number of frames, rows or columns is out of the kernel's range");

    /// <summary>How a problem is run: a thread block per 16×16 pixels, through all frames.</summary>
    /// <param name="p">The problem.</param>
    public static KernelConfiguration Configure(CausalConvolution.Problem p)
    {
        // The pixels of a tile and around it, the weights, and the sums of its pixels.
        long shared = sizeof(ushort) * p.Channels * (Around * Around + CausalHead.Taps * CausalHead.Columns)
            + sizeof(float) * Threads * (CausalHead.Delays * p.Outputs | 1);
        return new KernelConfiguration(new KernelProgram(Name, ("CHANNELS", p.Channels), ("OUTPUTS", p.Outputs)),
            new KernelLaunch((int)(Tiles(p.Height) * Tiles(p.Width)), 1, Threads, (int)shared));
    }

    /// <summary>Runs it.</summary>
    /// <param name="x">bfloat16 <c>[T, H, W, C]</c>, contiguous.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="past">As for <see cref="CausalHead.Run"/>.</param>
    /// <returns>As for <see cref="CausalHead.Run"/>.</returns>
    public static (Tensor Y, Tensor Next) Run(Tensor x, CausalHead.Prepared layer, Tensor? past)
    {
        using var scope = NewDisposeScope();
        (long count, long height, long width, long channels) = (x.size(0), x.size(1), x.size(2), x.size(3));
        long outputs = layer.Bias.size(0);
        (KernelProgram program, KernelLaunch launch) = Configure(new(count, height, width, channels, outputs, 3, 3, x.dtype));
        Tensor y = empty([outputs, count, height, width], ScalarType.BFloat16, x.device),
            next = empty([CausalHead.Delays - 1, outputs, height, width], ScalarType.Float32, x.device);
        void* xAddress = KernelOperand.Address(x, ScalarType.BFloat16),
            gamma = KernelOperand.Address(layer.Gamma, ScalarType.Float32, channels),
            weights = KernelOperand.Address(layer.Packed, ScalarType.BFloat16, CausalHead.PackedShape(channels)),
            bias = KernelOperand.Address(layer.Bias, ScalarType.Float32, outputs),
            before = past is null ? null : KernelOperand.Address(past, ScalarType.Float32, next.shape),
            after = KernelOperand.Address(next, ScalarType.Float32),
            to = KernelOperand.Address(y, ScalarType.BFloat16);
        var frames = new Frames { Count = (int)count, Height = (int)height, Width = (int)width };
        void** arguments = stackalloc void*[] { &xAddress, &gamma, &weights, &bias, &before, &after, &to, &frames };
        KernelDevice.Of(x.device).Launch(program, launch, arguments);
        return (y.MoveToOuterDisposeScope(), next.MoveToOuterDisposeScope());
    }

    private static long Tiles(long pixels) => (pixels + Tile - 1) / Tile;

    // struct Frames of the source.
    [StructLayout(LayoutKind.Sequential)]
    private struct Frames
    {
        public int Count, Height, Width;
    }
}
