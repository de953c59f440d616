using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>Videos to the latents that a transformer sees, and back, chunk by chunk.</summary>
public interface IVideoAutoencoder : IDisposable
{
    /// <summary>Encodes a video, without gradients.</summary>
    /// <param name="video"><c>[B, 3, T, H, W]</c> in [−1, 1], any float dtype, on the device of the weights; T = 1 + 4n.</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns>Normalised latents, <c>[B, C, 1 + n, h, w]</c>, float32.</returns>
    /// <exception cref="ArgumentException">The video has another shape.</exception>
    Tensor Encode(Tensor video, CancellationToken cancellationToken = default);

    /// <summary>Decodes latents chunk by chunk as the sequence is read: one frame, then four at a time. Without gradients.</summary>
    /// <param name="latents">Normalised latents, <c>[B, C, 1 + n, h, w]</c>; must live until the sequence has been read.</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns>Chunks <c>[B, 3, 1 or 4, H, W]</c>, about [−1, 1]; each is the caller's to dispose.</returns>
    /// <exception cref="ArgumentException">The latents have another shape.</exception>
    IEnumerable<Tensor> DecodeChunks(Tensor latents, CancellationToken cancellationToken = default);

    /// <summary>As <see cref="DecodeChunks"/>, of latents that come in groups: each is asked for when those before are read.</summary>
    /// <param name="groups">Normalised latents, <c>[B, C, t, h, w]</c> each; each must live until the next is asked for.</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns>Chunks <c>[B, 3, 1 or 4, H, W]</c>, about [−1, 1]; each is the caller's to dispose.</returns>
    /// <exception cref="ArgumentException">The latents have another shape.</exception>
    IEnumerable<Tensor> DecodeGroups(IEnumerable<Tensor> groups, CancellationToken cancellationToken = default);
}
