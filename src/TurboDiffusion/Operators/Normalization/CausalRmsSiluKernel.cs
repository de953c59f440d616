using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>
/// RMS normalisation over channels, SiLU, and each frame beside the two before it: <c>native/normalization/causal_rms_silu.cu</c>.
/// </summary>
internal static unsafe class CausalRmsSiluKernel
{
    private const string Name = "causal_rms_silu";
    private const int Threads = 256, Vector = 8, MaxLanes = 32, MaxVectors = 8;

    /// <summary>What a launch depends on.</summary>
    /// <param name="Frames">Frames of the chunk.</param>
    /// <param name="Pixels">Pixels of a frame.</param>
    /// <param name="Channels">Channels of a pixel.</param>
    /// <param name="Dtype">Their element type.</param>
    public readonly record struct Problem(long Frames, long Pixels, long Channels, ScalarType Dtype);

    /// <summary>Which form runs.</summary>
    /// <param name="offered">What the machine offers.</param>
    /// <param name="p">The problem.</param>
    public static KernelChoice Choose(KernelChoice offered, Problem p) => offered
        .RequireForSm90(false, offered.Reason)
        .Require(p.Dtype == ScalarType.BFloat16, "the kernel takes bfloat16")
        .Require(p.Channels > 0 && p.Channels % Vector == 0 && p.Channels / Vector / Lanes(p.Channels) <= MaxVectors,
            "the kernel takes a multiple of 8 channels, and few of them where that multiple is odd")
        .Require(p.Frames is > 0 and < int.MaxValue && p.Pixels > 0 && p.Pixels * Lanes(p.Channels) / Threads < int.MaxValue,
            "the number of frames or pixels is out of the kernel's range");

    /// <summary>How a problem is run: as many threads share a pixel as divide its vectors of 8 channels.</summary>
    /// <param name="p">The problem.</param>
    public static KernelConfiguration Configure(Problem p)
    {
        (int lanes, int vectors) = Share(p.Channels);
        return new KernelConfiguration(new KernelProgram(Name, ("LANES", lanes), ("VECTORS", vectors)),
            new KernelLaunch((int)((p.Pixels * lanes + Threads - 1) / Threads), 1, Threads, 0));
    }

    /// <summary>How many threads share a pixel, and how many vectors of 8 channels each of them has.</summary>
    /// <param name="channels">Of the pixel.</param>
    public static (int Lanes, int Vectors) Share(long channels) => (Lanes(channels), (int)(channels / Vector / Lanes(channels)));

    /// <summary>Runs it.</summary>
    /// <param name="x">bfloat16 <c>[T, H, W, C]</c>, contiguous.</param>
    /// <param name="gamma">Float32 <c>[C]</c>, √C in it.</param>
    /// <param name="bias">Float32 <c>[C]</c>, added to x first; or null.</param>
    /// <param name="past">bfloat16 <c>[2, H, W, C]</c>: the last two frames of the chunk before, normalised; null: zeros.</param>
    /// <returns>bfloat16 <c>[T, H, W, 3·C]</c>, and what the next chunk takes as past.</returns>
    public static (Tensor Windows, Tensor Past) Run(Tensor x, Tensor gamma, Tensor? bias, Tensor? past)
    {
        using var scope = NewDisposeScope();
        (long frames, long height, long width, long channels) = (x.size(0), x.size(1), x.size(2), x.size(3));
        (KernelProgram program, KernelLaunch launch) = Configure(new(frames, height * width, channels, x.dtype));
        Tensor windows = empty([frames, height, width, 3 * channels], ScalarType.BFloat16, x.device);
        Tensor next = empty([2, height, width, channels], ScalarType.BFloat16, x.device);
        void* xAddress = KernelOperand.Address(x, ScalarType.BFloat16),
            gammaAddress = KernelOperand.Address(gamma, ScalarType.Float32, channels);
        void* biasAddress = bias is null ? null : KernelOperand.Address(bias, ScalarType.Float32, channels);
        void* pastAddress = past is null ? null : KernelOperand.Address(past, ScalarType.BFloat16, next.shape);
        void* windowsAddress = KernelOperand.Address(windows, ScalarType.BFloat16);
        void* nextAddress = KernelOperand.Address(next, ScalarType.BFloat16);
        int count = (int)frames;
        ulong pixels = (ulong)(height * width);
        void** arguments = stackalloc void*[] { &xAddress, &gammaAddress, &biasAddress, &pastAddress, &windowsAddress, &nextAddress,
            &count, &pixels };
        KernelDevice.Of(x.device).Launch(program, launch, arguments);
        return (windows.MoveToOuterDisposeScope(), next.MoveToOuterDisposeScope());
    }

    // The largest power of two up to a warp that divides the vectors.
    private static int Lanes(long channels)
    {
        long vectors = Math.Max(channels / Vector, 1);
        return (int)Math.Min(vectors & -vectors, MaxLanes);
    }
}
