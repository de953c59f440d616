using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>Draws of whole numbers.</summary>
internal static class RandomIndices
{
    // The resolution of a uniform float32 draw.
    private const int MaxLimit = 1 << 24;

    /// <summary>Draws numbers in [0, limit), independently.</summary>
    public static long[] Draw(IRandomSource random, int count, long limit)
    {
        if (limit is < 1 or > MaxLimit)
            throw new InvalidRequestException("data", $"There are {limit} choices to draw from; there must be 1 to {MaxLimit}.");
        using Tensor drawn = random.Uniform(count), uniform = drawn.cpu();
        return [.. uniform.data<float>().Select(u => (long)(u * (double)limit))];
    }
}
