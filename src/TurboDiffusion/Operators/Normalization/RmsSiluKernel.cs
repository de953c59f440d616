using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>RMS normalisation over channels and SiLU, frame by frame: <c>native/normalization/rms_silu.cu</c>.</summary>
internal static unsafe class RmsSiluKernel
{
    /// <summary>Frames at once.</summary>
    public const int MostFrames = 8;

    private const string Name = "rms_silu";
    private const int Threads = 256;

    /// <summary>How a problem is run: as <see cref="CausalRmsSiluKernel"/>, which takes what this one takes.</summary>
    /// <param name="p">The problem, of <see cref="MostFrames"/> at most.</param>
    public static KernelConfiguration Configure(CausalRmsSiluKernel.Problem p)
    {
        (int lanes, int vectors) = CausalRmsSiluKernel.Share(p.Channels);
        return new KernelConfiguration(new KernelProgram(Name, ("LANES", lanes), ("VECTORS", vectors)),
            new KernelLaunch((int)((p.Pixels * lanes + Threads - 1) / Threads), (int)p.Frames, Threads, 0));
    }

    /// <summary>Runs it.</summary>
    /// <param name="x">bfloat16 <c>[T, H, W, C]</c>, contiguous, with T up to <see cref="MostFrames"/>.</param>
    /// <param name="gamma">Float32 <c>[C]</c>, √C in it.</param>
    /// <returns>T frames <c>[H, W, C]</c>, bfloat16.</returns>
    public static Tensor[] Run(Tensor x, Tensor gamma)
    {
        using var scope = NewDisposeScope();
        (long frames, long height, long width, long channels) = (x.size(0), x.size(1), x.size(2), x.size(3));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(frames, MostFrames);
        (KernelProgram program, KernelLaunch launch) = Configure(new(frames, height * width, channels, x.dtype));
        Tensor[] z = [.. Enumerable.Range(0, (int)frames).Select(_ => empty([height, width, channels], ScalarType.BFloat16, x.device))];
        void* xAddress = KernelOperand.Address(x, ScalarType.BFloat16),
            gammaAddress = KernelOperand.Address(gamma, ScalarType.Float32, channels);
        void** addresses = stackalloc void*[MostFrames];
        for (int i = 0; i < MostFrames; i++)
            addresses[i] = i < z.Length ? KernelOperand.Address(z[i], ScalarType.BFloat16, height, width, channels) : null;
        ulong pixels = (ulong)(height * width);
        void** arguments = stackalloc void*[] { &xAddress, &gammaAddress, addresses, &pixels };
        KernelDevice.Of(x.device).Launch(program, launch, arguments);
        return [.. z.Select(frame => frame.MoveToOuterDisposeScope())];
    }
}
