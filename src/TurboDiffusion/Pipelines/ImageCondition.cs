using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.Vae;
using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>
/// What an image-to-video model gets beside the noisy latents: 4 mask channels, one for each frame of a latent frame (1 where an image is
/// given; the first latent frame is one frame, four times), and the latents of a video of the given images and zeros.
/// </summary>
/// <remarks>
/// TurboDiffusion aaecff5, <c>turbodiffusion/inference/wan2.2_i2v_infer.py</c>; with a last frame, Wan-Video/Wan2.1,
/// <c>wan/first_last_frame2video.py</c>.
/// </remarks>
public static class ImageCondition
{
    private const int MaskChannels = 4;

    /// <summary>Encodes the image alone: the first latent frame of a model that takes one (Wan 2.2 TI2V).</summary>
    /// <param name="vae">The VAE.</param>
    /// <param name="image"><c>[3, H, W]</c> in [−1, 1], on any device.</param>
    /// <param name="device">Where the VAE is.</param>
    /// <param name="cancellationToken">Checked at each layer of the VAE.</param>
    /// <returns><c>[1, 48, 1, H/16, W/16]</c>, float32.</returns>
    /// <remarks>Wan-Video/Wan2.2, 42bf4cf, <c>wan/textimage2video.py</c>.</remarks>
    public static Tensor EncodeFirstFrame(IVideoAutoencoder vae, Tensor image, Device device, CancellationToken cancellationToken = default)
    {
        using var scope = NewDisposeScope();
        return vae.Encode(image.to(ScalarType.Float32, device).unsqueeze(0).unsqueeze(2), cancellationToken).MoveToOuterDisposeScope();
    }

    /// <summary>The images that are given, side by side.</summary>
    /// <param name="image">The first frame, <c>[3, H, W]</c>.</param>
    /// <param name="endImage">The last frame, likewise; null: not given.</param>
    /// <returns><c>[1 or 2, 3, H, W]</c></returns>
    internal static Tensor Given(Tensor image, Tensor? endImage) => stack([.. new[] { image, endImage }.OfType<Tensor>()]);

    /// <summary>What a model with an image branch sees of the images: the image encoder's tokens, of one image after the other.</summary>
    /// <param name="encoder">The image encoder.</param>
    /// <param name="images">The first image, and the last one where it is given, <c>[N, 3, H, W]</c> in [−1, 1], on any device.</param>
    /// <param name="cancellationToken">Checked at each block.</param>
    /// <returns><c>[1, tokens, width]</c></returns>
    public static Tensor Tokens(ClipVisionEncoder encoder, Tensor images, CancellationToken cancellationToken = default)
    {
        using var scope = NewDisposeScope();
        Tensor tokens = encoder.Encode(images, cancellationToken);
        return tokens.reshape(1, -1, tokens.size(2)).MoveToOuterDisposeScope();
    }

    /// <summary>Encodes the first frame, or the first and the last.</summary>
    /// <param name="vae">The VAE.</param>
    /// <param name="image">The first frame, <c>[3, H, W]</c> in [−1, 1], on any device.</param>
    /// <param name="frames">Frames of the video, 4k + 1; with a last frame at least 5.</param>
    /// <param name="device">Where the VAE is.</param>
    /// <param name="endImage">The last frame, as the first; null: not given.</param>
    /// <param name="cancellationToken">Checked at each layer of the VAE.</param>
    /// <returns><c>[1, 4 + 16, k + 1, H/8, W/8]</c>, float32.</returns>
    public static Tensor Encode(IVideoAutoencoder vae, Tensor image, int frames, Device device, Tensor? endImage = null,
        CancellationToken cancellationToken = default)
    {
        using var scope = NewDisposeScope();
        Tensor[] given = [.. new[] { image, endImage }.OfType<Tensor>()
            .Select(i => i.to(ScalarType.Float32, device).unsqueeze(0).unsqueeze(2))];
        Tensor between = zeros([1, 3, frames - given.Length, image.size(1), image.size(2)], ScalarType.Float32, device);
        Tensor latents = vae.Encode(cat([given[0], between, .. given[1..]], dim: 2), cancellationToken);
        Tensor mask = zeros([1, MaskChannels, .. latents.shape[2..]], ScalarType.Float32, device);
        mask.narrow(2, 0, 1).fill_(1);
        // The last of the last four frames.
        if (endImage is not null) mask.narrow(1, MaskChannels - 1, 1).narrow(2, mask.size(2) - 1, 1).fill_(1);
        return cat([mask, latents], dim: 1).MoveToOuterDisposeScope();
    }
}
