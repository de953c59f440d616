using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>Videos to train a VAE on.</summary>
public interface IClipData
{
    /// <summary>Draws a batch, with replacement.</summary>
    /// <param name="count">B.</param>
    /// <param name="random">The source of every draw.</param>
    /// <returns>New float32 tensor on the CPU, <c>[B, 3, T, H, W]</c> in [−1, 1].</returns>
    Tensor Draw(int count, IRandomSource random);
}
