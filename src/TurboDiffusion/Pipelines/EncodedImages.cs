using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>What a transformer gets of the images of a generation; which of it is there depends on the transformer.</summary>
public sealed record EncodedImages
{
    /// <summary>
    /// Mask and latents, beside the noisy latents on the channel axis: from <see cref="ImageCondition.Encode"/>, <c>[1 or B, 20, T, H,
    /// W]</c>.
    /// </summary>
    public Tensor? Condition { get; init; }

    /// <summary>
    /// The first latent frame, <c>[1 or B, C, 1, H, W]</c>: the model sees it clean, at time 0, whatever the noise of the others.
    /// </summary>
    public Tensor? FirstFrame { get; init; }

    /// <summary>The image encoder's tokens, <c>[1, tokens, width]</c>; of a first and a last image, those of both.</summary>
    public Tensor? Tokens { get; init; }

    /// <summary>The same images for every clip of a batch.</summary>
    /// <param name="batch">How many clips.</param>
    internal EncodedImages For(int batch) => this with
    {
        Condition = Condition?.expand(batch, -1, -1, -1, -1), FirstFrame = FirstFrame?.expand(batch, -1, -1, -1, -1),
    };

    internal EncodedImages MoveToOuterDisposeScope()
    {
        Condition?.MoveToOuterDisposeScope();
        FirstFrame?.MoveToOuterDisposeScope();
        Tokens?.MoveToOuterDisposeScope();
        return this;
    }
}
