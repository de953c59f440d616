using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>Latents to a sequence of patches of 1×2×2, and back.</summary>
public static class Patches
{
    /// <summary>The number of tokens of a latent grid: T·(H/2)·(W/2).</summary>
    /// <param name="frames">Latent frames.</param>
    /// <param name="height">Latent rows, even.</param>
    /// <param name="width">Latent columns, even.</param>
    public static long Count(long frames, long height, long width) =>
        frames / WanConfig.PatchFrames * (height / WanConfig.PatchSize) * (width / WanConfig.PatchSize);

    /// <summary>The number of tokens of latents.</summary>
    /// <param name="latents">Their shape, <c>[B, C, T, H, W]</c>.</param>
    public static long Count(IReadOnlyList<long> latents) => Count(latents[2], latents[3], latents[4]);

    /// <summary>Patchify; channels are the slowest axis within a patch, then rows, then columns.</summary>
    /// <param name="x"><c>[B, C, T, H, W]</c>, H and W even.</param>
    /// <returns><c>[B, T·(H/2)·(W/2), C·4]</c></returns>
    public static Tensor From(Tensor x)
    {
        using var scope = NewDisposeScope();
        const int p = WanConfig.PatchSize;
        (long b, long c, long t, long h, long w) = (x.size(0), x.size(1), x.size(2), x.size(3), x.size(4));
        return x.reshape(b, c, t, h / p, p, w / p, p).permute(0, 2, 3, 5, 1, 4, 6)
            .reshape(b, Count(t, h, w), c * p * p).MoveToOuterDisposeScope();
    }

    /// <summary>Unpatchify; channels are the fastest axis within a patch.</summary>
    /// <param name="patches"><c>[B, T·(H/2)·(W/2), 4·C]</c></param>
    /// <param name="channels">C.</param>
    /// <param name="frames">T.</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <returns><c>[B, C, T, H, W]</c></returns>
    public static Tensor ToLatents(Tensor patches, long channels, long frames, long height, long width)
    {
        using var scope = NewDisposeScope();
        const int p = WanConfig.PatchSize;
        return patches.reshape(patches.size(0), frames, height / p, width / p, p, p, channels).permute(0, 6, 1, 2, 4, 3, 5)
            .reshape(patches.size(0), channels, frames, height, width).MoveToOuterDisposeScope();
    }
}
