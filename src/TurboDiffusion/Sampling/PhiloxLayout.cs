namespace TurboDiffusion.Sampling;

/// <summary>
/// How PyTorch lays a draw out over the grid of an H100: thread j, in round r, computes the elements
/// r · 4 · stride + {0, 1, 2, 3} · stride + j from counter r.
/// </summary>
/// <param name="Count">Elements drawn.</param>
/// <param name="Stride">Threads of the grid.</param>
/// <param name="Rounds">Counters used.</param>
/// <remarks>PyTorch, <c>aten/src/ATen/native/cuda/DistributionTemplates.h</c>.</remarks>
internal readonly record struct PhiloxLayout(long Count, long Stride, long Rounds)
{
    /// <summary>Values that a thread computes from one counter.</summary>
    public const int ValuesPerThread = 4;

    private const int ThreadsPerBlock = 256;
    private const int Multiprocessors = 132, ThreadsPerMultiprocessor = 2048;

    /// <summary>The layout of a draw.</summary>
    /// <param name="count">Elements, at least 1.</param>
    public static PhiloxLayout Of(long count)
    {
        long blocks = Math.Min(Multiprocessors * (ThreadsPerMultiprocessor / ThreadsPerBlock),
            (count + ThreadsPerBlock - 1) / ThreadsPerBlock);
        long stride = blocks * ThreadsPerBlock;
        return new PhiloxLayout(count, stride, (count + ValuesPerThread * stride - 1) / (ValuesPerThread * stride));
    }
}
