using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>
/// The stream of <c>torch.randn</c> on a CUDA generator, computed on the CPU, so that one seed gives one video on every
/// device. PyTorch's stream depends on the card for tensors larger than one grid; this is the stream of an H100.
/// </summary>
/// <remarks>
/// PyTorch, <c>aten/src/ATen/native/cuda/DistributionTemplates.h</c> (grid, element order, offset), and cuRAND's
/// Box–Muller transform. Values agree with the card's to the rounding of its sin, cos and log.
/// </remarks>
public sealed class PhiloxNoise : IRandomSource
{
    private const int ValuesPerThread = PhiloxLayout.ValuesPerThread;

    // Threads of the grid that one task computes: enough to outweigh the cost of a task.
    private const long TaskThreads = 1 << 14;

    private readonly Philox4x32 _philox;

    /// <summary>Starts a stream.</summary>
    /// <param name="seed">The seed; a negative <see cref="long"/> cast to <see cref="ulong"/> gives what PyTorch makes of it.</param>
    /// <param name="offset">Where in the stream to start, a multiple of 4: the <see cref="Offset"/> of an earlier source.</param>
    /// <exception cref="InvalidRequestException">The offset is not a multiple of 4.</exception>
    public PhiloxNoise(ulong seed, ulong offset = 0)
    {
        if (offset % ValuesPerThread != 0)
            throw new InvalidRequestException(nameof(offset), $"The noise offset is {offset}; it must be a multiple of {ValuesPerThread}.");
        Seed = seed;
        Offset = offset;
        _philox = new Philox4x32(seed);
    }

    private unsafe delegate void Transform(uint* words, float* values);

    /// <summary>The seed.</summary>
    public ulong Seed { get; }

    /// <summary>How far the stream has been consumed; with <see cref="Seed"/>, the whole state.</summary>
    public ulong Offset { get; private set; }

    /// <inheritdoc/>
    public unsafe Tensor Normal(params long[] shape) => Draw(shape, BoxMuller);

    /// <inheritdoc/>
    public unsafe Tensor Uniform(params long[] shape) => Draw(shape, UnitInterval);

    private unsafe Tensor Draw(long[] shape, Transform transform)
    {
        Tensor result = empty(shape, ScalarType.Float32, CPU);
        long count = result.numel();
        if (count == 0) return result;
        (_, long stride, long rounds) = PhiloxLayout.Of(count);
        long tasksPerRound = (stride + TaskThreads - 1) / TaskThreads;
        var data = (nint)NativeTensor.DataPointer(result);
        ulong counter = Offset / ValuesPerThread;
        Parallel.For(0, rounds * tasksPerRound, task =>
        {
            long round = task / tasksPerRound, first = task % tasksPerRound * TaskThreads;
            long last = Math.Min(first + TaskThreads, stride);
            Fill((float*)data, count, stride, round * ValuesPerThread * stride, counter + (ulong)round, first, last, transform);
        });
        GC.KeepAlive(result);
        Offset += (ulong)(ValuesPerThread * rounds);
        return result;
    }

    // The grid's threads [first, last) in one round: thread j writes elements start + {0, 1, 2, 3}·stride + j.
    private unsafe void Fill(float* data, long count, long stride, long start, ulong counter, long first, long last, Transform transform)
    {
        uint* words = stackalloc uint[ValuesPerThread];
        float* values = stackalloc float[ValuesPerThread];
        for (long thread = first; thread < last; thread++)
        {
            (words[0], words[1], words[2], words[3]) = _philox.Block(counter, (ulong)thread);
            transform(words, values);
            for (int k = 0; k < ValuesPerThread; k++)
            {
                long index = start + k * stride + thread;
                if (index >= count) break;
                data[index] = values[k];
            }
        }
    }

    private static unsafe void BoxMuller(uint* words, float* values)
    {
        const float Scale = 1f / (1L << 32), HalfStep = Scale / 2;
        for (int pair = 0; pair < ValuesPerThread; pair += 2)
        {
            float u = MathF.FusedMultiplyAdd(words[pair], Scale, HalfStep);
            float angle = MathF.FusedMultiplyAdd(words[pair + 1], Scale * MathF.Tau, HalfStep * MathF.Tau);
            float radius = MathF.Sqrt(-2f * MathF.Log(u));
            (float sin, float cos) = MathF.SinCos(angle);
            values[pair] = radius * sin;
            values[pair + 1] = radius * cos;
        }
    }

    private static unsafe void UnitInterval(uint* words, float* values)
    {
        // The top 24 bits: every value is exact and below one.
        for (int k = 0; k < ValuesPerThread; k++) values[k] = (words[k] >> 8) * (1f / (1 << 24));
    }
}
