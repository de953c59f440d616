using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>A stream of standard normal noise; every draw continues where the last one ended. Not thread-safe.</summary>
public interface INoiseSource
{
    /// <summary>Draws standard normal values.</summary>
    /// <param name="shape">The sizes of the result.</param>
    /// <returns>A new float32 tensor on the source's device (the CPU, for a stream that all devices share); the caller owns it.</returns>
    Tensor Normal(params long[] shape);
}
