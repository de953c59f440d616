using System.Globalization;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;

namespace TurboDiffusion.Generation.Planning;

/// <summary>How large a clip is.</summary>
/// <param name="Size">Width and height.</param>
/// <param name="Frames">Frames, 4k + 1.</param>
/// <param name="FromImage">Whether an image is its first frame.</param>
/// <param name="Causal">It is generated group after group: keys and values of every block are kept.</param>
public sealed record ClipExtent(VideoSize Size, int Frames, bool FromImage = false, bool Causal = false)
{
    /// <summary>Tokens of its latents.</summary>
    /// <param name="vae">The autoencoder of the latents.</param>
    public long Tokens(VaeConfig vae)
    {
        ArgumentNullException.ThrowIfNull(vae);
        return Patches.Count(vae.LatentShape(1, Frames, Size.Height, Size.Width));
    }

    /// <summary>The clip as <c>832x480 with 81 frames</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Size} with {Frames} frames");
}
