using TurboDiffusion.Models.Vae;
using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>
/// What an image-to-video model gets beside the noisy latents: 4 mask channels (1 on the first latent frame) and the latents
/// of a video whose first frame is the image and whose other frames are zero.
/// </summary>
/// <remarks>TurboDiffusion aaecff5, <c>turbodiffusion/inference/wan2.2_i2v_infer.py</c>.</remarks>
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

    /// <summary>Encodes the image.</summary>
    /// <param name="vae">The VAE.</param>
    /// <param name="image"><c>[3, H, W]</c> in [−1, 1], on any device.</param>
    /// <param name="frames">Frames of the video, 4k + 1.</param>
    /// <param name="device">Where the VAE is.</param>
    /// <param name="cancellationToken">Checked at each layer of the VAE.</param>
    /// <returns><c>[1, 4 + 16, k + 1, H/8, W/8]</c>, float32.</returns>
    public static Tensor Encode(IVideoAutoencoder vae, Tensor image, int frames, Device device,
        CancellationToken cancellationToken = default)
    {
        using var scope = NewDisposeScope();
        Tensor first = image.to(ScalarType.Float32, device).unsqueeze(0).unsqueeze(2);
        Tensor rest = zeros([1, 3, frames - 1, image.shape[1], image.shape[2]], ScalarType.Float32, device);
        Tensor latents = vae.Encode(cat([first, rest], dim: 2), cancellationToken);
        Tensor mask = zeros([1, MaskChannels, .. latents.shape[2..]], ScalarType.Float32, device);
        mask.narrow(2, 0, 1).fill_(1);
        return cat([mask, latents], dim: 1).MoveToOuterDisposeScope();
    }
}
