using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>Videos to train a VAE on.</summary>
/// <param name="Videos">Float32 <c>[B, 3, T, H, W]</c> in [−1, 1].</param>
/// <param name="Objects">Float32 <c>[B, 1, T, H, W]</c>: 1 where an object is, else 0; null where the data does not know.</param>
public sealed record ClipBatch(Tensor Videos, Tensor? Objects = null)
{
    /// <summary>The batch on a device.</summary>
    /// <param name="device">Where to.</param>
    public ClipBatch To(Device device) => new(Videos.to(device), Objects?.to(device));
}
