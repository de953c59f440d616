using System.Runtime.InteropServices;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>
/// RMS normalisation over the whole width and rotary embedding of q and k:
/// <c>native/normalization/rms_norm_rotary.cu</c>.
/// </summary>
internal static unsafe class RmsNormRotaryKernel
{
    private const string Name = "rms_norm_rotary";
    private const int Vector = 8, Warp = 32;
    private const int MaxThreads = 256, MaxVectors = 8;

    /// <summary>What a launch depends on.</summary>
    /// <param name="Tokens">Rows of q and k.</param>
    /// <param name="Width">Channels of all heads.</param>
    /// <param name="HeadDim">Channels of a head.</param>
    /// <param name="Dtype">The element type of q and k.</param>
    /// <param name="SameDtype">Whether it is that of the weights, too.</param>
    public readonly record struct Problem(long Tokens, long Width, long HeadDim, ScalarType Dtype, bool SameDtype = true);

    /// <summary>Which form runs.</summary>
    /// <param name="offered">What the machine offers.</param>
    /// <param name="p">The problem.</param>
    public static KernelChoice Choose(KernelChoice offered, Problem p) => offered
        .RequireForSm90(false, offered.Reason)
        .Require(KernelOperand.IsElement(p.Dtype) && p.SameDtype, "the kernel takes bfloat16 or float32, weights as q and k")
        .Require(p.Tokens is > 0 and < int.MaxValue, "the number of tokens is out of the kernel's range")
        .Require(p.HeadDim % Vector == 0 && p.Width is > 0 and <= MaxThreads * MaxVectors * Vector && p.Width % p.HeadDim == 0,
            "the kernel takes heads of a multiple of 8 channels, up to 16384 in all");

    /// <summary>How a problem is run: one vector per thread where the block stays small, then more vectors of even shares.</summary>
    /// <param name="problem">The problem.</param>
    public static KernelConfiguration Configure(Problem problem)
    {
        int vectors = (int)(problem.Width / Vector), perThread = (vectors + MaxThreads - 1) / MaxThreads;
        int threads = (vectors + perThread - 1) / perThread;
        threads = (threads + Warp - 1) / Warp * Warp;
        return new KernelConfiguration(
            new KernelProgram(Name, ("ELEMENT", KernelOperand.Element(problem.Dtype)), ("THREADS", threads), ("VECTORS", perThread)),
            new KernelLaunch((int)problem.Tokens, 2, threads, 0));
    }

    /// <summary>Normalises and rotates q and k.</summary>
    /// <param name="q"><c>[B, L, width]</c></param>
    /// <param name="k"><c>[B, L, width]</c></param>
    /// <param name="queryWeight"><c>[width]</c>, in q's dtype.</param>
    /// <param name="keyWeight"><c>[width]</c>, in q's dtype.</param>
    /// <param name="cosines">Float32 <c>[1, L, 1, D/2]</c>, or null: no rotation.</param>
    /// <param name="sines">Float32 <c>[1, L, 1, D/2]</c>, or null.</param>
    /// <param name="headDim">D.</param>
    /// <param name="eps">ε of the normalisation.</param>
    /// <returns>q and k, <c>[B, L, H, D]</c>.</returns>
    public static (Tensor Q, Tensor K) Run(
        Tensor q, Tensor k, Tensor queryWeight, Tensor keyWeight, Tensor? cosines, Tensor? sines, long headDim, double eps)
    {
        using var scope = NewDisposeScope();
        long batch = q.size(0), tokens = q.size(1), channels = q.size(2);
        var problem = new Problem(batch * tokens, channels, headDim, q.dtype);
        (KernelProgram program, KernelLaunch launch) = Configure(problem);
        Tensor queries = empty([batch, tokens, channels / headDim, headDim], q.dtype, q.device), keys = empty_like(queries);
        Operand Of(Tensor x, Tensor weight, Tensor y) => new()
        {
            X = KernelOperand.Address(x, problem.Dtype, batch, tokens, channels),
            Weight = KernelOperand.Address(weight, problem.Dtype, channels),
            Y = KernelOperand.Address(y, problem.Dtype),
        };
        Operand first = Of(q.contiguous(), queryWeight, queries), second = Of(k.contiguous(), keyWeight, keys);
        void* cosinesAddress = Table(cosines), sinesAddress = Table(sines);
        void* Table(Tensor? table) => table is null ? null : KernelOperand.Address(table, ScalarType.Float32, 1, tokens, 1, headDim / 2);
        int width = (int)channels, head = (int)headDim, length = (int)tokens;
        float epsilon = (float)eps;
        void** arguments = stackalloc void*[] { &first, &second, &cosinesAddress, &sinesAddress, &width, &width, &head, &length, &epsilon };
        KernelDevice.Of(q.device).Launch(program, launch, arguments);
        return (queries.MoveToOuterDisposeScope(), keys.MoveToOuterDisposeScope());
    }

    // struct Operand of the source.
    [StructLayout(LayoutKind.Sequential)]
    private struct Operand
    {
        public void* X, Weight, Y;
    }
}
