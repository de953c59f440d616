using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>Encoded videos with their encoded captions.</summary>
/// <param name="Latents">Normalised latents, float32, <c>[B, C, T, H, W]</c>.</param>
/// <param name="Condition">The captions, and for image-to-video the images.</param>
/// <param name="Negative">The condition that guidance steers away from, for the same samples.</param>
public sealed record LatentBatch(Tensor Latents, Condition Condition, Condition Negative)
{
    /// <summary>The batch on a device.</summary>
    /// <param name="device">Where to.</param>
    public LatentBatch To(Device device) => new(Latents.to(device), Move(Condition, device), Move(Negative, device));

    private static Condition Move(Condition condition, Device device) =>
        new(condition.Text.to(device), condition.Image?.to(device), condition.ImageTokens?.to(device));
}
