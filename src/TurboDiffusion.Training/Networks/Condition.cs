using static TorchSharp.torch;

namespace TurboDiffusion.Training.Networks;

/// <summary>What a network is told about the samples of a batch.</summary>
/// <param name="Text">Text embeddings, <c>[B, L, D]</c>.</param>
/// <param name="Image">Image-to-video only: mask and latents of the given frames, <c>[B, 20, T, H, W]</c>.</param>
/// <param name="ImageTokens">Models with an image branch only: the image encoder's tokens, <c>[B, tokens, width]</c>.</param>
public sealed record Condition(Tensor Text, Tensor? Image = null, Tensor? ImageTokens = null);
