using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Pipelines;

/// <summary>
/// About how many bytes the stages of a generation need, weights aside: enough to refuse what cannot work before hours are
/// spent on it. Counts the largest tensors that live at once on the plain path.
/// </summary>
public static class MemoryEstimate
{
    // The plain path computes norms, rotations and attention in float32.
    private const long Wide = 4;

    /// <summary>One denoising step.</summary>
    /// <param name="config">The transformer.</param>
    /// <param name="tokens">L.</param>
    /// <param name="elementSize">Bytes per value of the hidden state.</param>
    public static long Denoising(WanConfig config, long tokens, int elementSize)
    {
        // Hidden state, its norm, q, k, v, two rotated copies and the attention's float32 inputs and output.
        long attentionBytes = tokens * config.Dim * (4 * elementSize + 6 * Wide);
        // GELU in float32: the layer's output, its cube, the tanh and the product.
        long feedForwardBytes = tokens * config.FfnDim * (2 * elementSize + 3 * Wide);
        return Math.Max(attentionBytes, feedForwardBytes) + 2 * tokens * config.Dim * elementSize;
    }

    /// <summary>
    /// One denoising step whose blocks run as fused int8 kernels. Not counted but fitted: to the peaks that <c>bench</c> found on an H100
    /// with 1.3B at 480p and with both experts of A14B at 720p, what libtorch's allocator keeps included.
    /// </summary>
    /// <param name="config">The transformer.</param>
    /// <param name="tokens">L.</param>
    public static long DenoisingFused(WanConfig config, long tokens) => tokens * (32L * config.Dim + 4L * config.FfnDim);

    /// <summary>
    /// The text encoder on one text: a block's projections and its gated feed-forward layer; in int8, one layer's weights in float.
    /// </summary>
    /// <param name="config">The text encoder.</param>
    /// <param name="weights">The number format of its linear layers.</param>
    /// <param name="tokens">Tokens, padding included.</param>
    /// <param name="elementSize">Bytes per value.</param>
    public static long EncodingText(UMT5Config config, WeightFormat weights, long tokens, int elementSize) =>
        tokens * (6 * config.DimAttn + 4 * config.DimFfn + 3 * config.Dim) * elementSize
            + 2 * config.NumHeads * tokens * tokens * Wide
            + (weights == WeightFormat.Int8 ? config.Dim * config.DimFfn * elementSize : 0);

    /// <summary>The VAE: the past of its convolutions, and the layer that needs most beside it.</summary>
    /// <param name="config">The VAE.</param>
    /// <param name="frames">Frames.</param>
    /// <param name="width">Pixels.</param>
    /// <param name="height">Pixels.</param>
    /// <param name="elementSize">Bytes per value.</param>
    /// <param name="budget"><see cref="WanVae.DecodeBudget"/>.</param>
    /// <param name="isGpu">Whether it is decoded on a GPU, several frames together.</param>
    /// <param name="inFrames">Whether its convolutions read frames where they lie, as Hopper's do in bfloat16.</param>
    public static long Decoding(
        VaeConfig config, int frames, int width, int height, int elementSize, long budget, bool isGpu, bool inFrames)
    {
        long[] latents = config.LatentShape(1, frames, height, width);
        return DecodePlan.Within(config, (latents[2], latents[3], latents[4]), elementSize, budget, isGpu, inFrames).Peak;
    }
}
