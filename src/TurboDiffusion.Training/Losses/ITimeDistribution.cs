using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>How training draws noise levels.</summary>
public interface ITimeDistribution
{
    /// <summary>Draws noise levels.</summary>
    /// <param name="random">Where the draw comes from.</param>
    /// <param name="count">B.</param>
    /// <returns>Rectified-flow noise levels t in [0, 1], float64, <c>[B]</c>, on the CPU.</returns>
    Tensor Sample(IRandomSource random, long count);
}
