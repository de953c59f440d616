using TurboDiffusion.Sampling;

namespace TurboDiffusion.Training.Data;

/// <summary>Videos to train a VAE on.</summary>
public interface IClipData
{
    /// <summary>Draws a batch, with replacement.</summary>
    /// <param name="count">B.</param>
    /// <param name="random">The source of every draw.</param>
    /// <returns>New tensors.</returns>
    ClipBatch Draw(int count, IRandomSource random);
}
