using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>Encoded videos in memory.</summary>
/// <param name="latents">Normalised latents, <c>[N, C, T, H, W]</c>.</param>
/// <param name="text">Encoded captions, <c>[N, L, D]</c>.</param>
/// <param name="negative">The encoded empty or negative prompt, <c>[L, D]</c>.</param>
public sealed class MemoryLatents(Tensor latents, Tensor text, Tensor negative) : ILatentData
{
    /// <inheritdoc/>
    public LatentBatch Draw(int count, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        Tensor chosen = tensor(RandomIndices.Draw(random, count, latents.size(0))).to(latents.device);
        return new LatentBatch(
            latents.index_select(0, chosen).to_type(ScalarType.Float32).MoveToOuterDisposeScope(),
            new Condition(text.index_select(0, chosen).to_type(ScalarType.Float32).MoveToOuterDisposeScope()),
            new Condition(negative.to_type(ScalarType.Float32).unsqueeze(0).repeat(count, 1, 1).MoveToOuterDisposeScope()));
    }
}
