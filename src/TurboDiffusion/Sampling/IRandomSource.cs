using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>A noise source that also draws uniform values, from the same stream. Not thread-safe.</summary>
public interface IRandomSource : INoiseSource
{
    /// <summary>Draws values uniform in [0, 1).</summary>
    /// <param name="shape">The sizes of the result.</param>
    /// <returns>A new float32 tensor on the source's device; the caller owns it.</returns>
    Tensor Uniform(params long[] shape);
}
