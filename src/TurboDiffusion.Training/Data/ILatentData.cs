using TurboDiffusion.Sampling;

namespace TurboDiffusion.Training.Data;

/// <summary>Encoded videos to train on.</summary>
public interface ILatentData
{
    /// <summary>Draws a batch, with replacement.</summary>
    /// <param name="count">B.</param>
    /// <param name="random">The source of every draw.</param>
    /// <returns>New tensors on the CPU.</returns>
    LatentBatch Draw(int count, IRandomSource random);
}
