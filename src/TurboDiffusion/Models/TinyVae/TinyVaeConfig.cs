using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Vae;

namespace TurboDiffusion.Models.TinyVae;

/// <summary>The sizes of a tiny autoencoder. Those of files come from their shapes.</summary>
/// <param name="LatentChannels">Channels of the latents: 16 for Wan 2.1 and A14B, 48 for Wan 2.2 TI2V-5B.</param>
/// <param name="PatchSize">Rows and columns of pixels that the network sees as channels: 1, or 2 for 5B.</param>
/// <param name="Widths">Channels of the decoder's four levels, coarsest first.</param>
/// <param name="EncoderWidth">Channels of the encoder.</param>
public sealed record TinyVaeConfig(int LatentChannels, int PatchSize, (int Level0, int Level1, int Level2, int Level3) Widths,
    int EncoderWidth)
{
    /// <summary>Frames per latent frame.</summary>
    public const int TemporalFactor = 4;

    private const int Largest = 1 << 14;

    /// <summary>The published <c>taew2_1</c>, for Wan 2.1 and Wan 2.2 A14B.</summary>
    public static TinyVaeConfig Wan21 { get; } = new(16, 1, (256, 128, 64, 64), 64);

    /// <summary>The published <c>taew2_2</c>, for Wan 2.2 TI2V-5B.</summary>
    public static TinyVaeConfig Wan22 { get; } = new(48, 2, (256, 128, 64, 64), 64);

    /// <summary>The published one for the latents of a full autoencoder.</summary>
    /// <param name="vae">The full autoencoder.</param>
    public static TinyVaeConfig Of(VaeConfig vae)
    {
        ArgumentNullException.ThrowIfNull(vae);
        return vae.ZDim == VaeConfig.Wan22.ZDim ? Wan22 : Wan21;
    }

    /// <summary>Pixels per latent row, and per column.</summary>
    public int SpatialFactor => 8 * PatchSize;

    /// <summary>A full autoencoder of the same latents and about as much work, for what is estimated by one.</summary>
    internal VaeConfig Equivalent =>
        (LatentChannels == VaeConfig.Wan22.ZDim ? VaeConfig.Wan22 : VaeConfig.Wan21).OfWidth(Math.Max(1, Widths.Level3 / 4));

    /// <summary>The sizes of a checkpoint.</summary>
    /// <param name="checkpoint">A checkpoint with the official names.</param>
    /// <exception cref="CheckpointException">It is no tiny autoencoder, or its sizes contradict each other.</exception>
    public static TinyVaeConfig FromCheckpoint(ICheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        int Size(string name, int axis) =>
            checkpoint.Tensors.TryGetValue(name, out TensorInfo? info) && info.Shape.Count == 4 && info.Shape[axis] is > 0 and <= Largest
                ? (int)info.Shape[axis]
                : throw new CheckpointException(checkpoint.Path,
                    $"is not a tiny autoencoder: '{name}' is {info?.ToString() ?? "missing"}.");
        int patch = (int)Math.Round(Math.Sqrt(Size("decoder.22.weight", 0) / 3.0));
        int latents = Size("decoder.1.weight", 1);
        VaeConfig[] full = [VaeConfig.Wan21, VaeConfig.Wan22];
        if (!full.Any(v => v.ZDim == latents && v.PatchSize == patch))
            throw new CheckpointException(checkpoint.Path,
                $"is a tiny autoencoder of {latents} latent channels and patches of {patch}; those of Wan have "
                    + $"{string.Join(" or ", full.Select(v => $"{v.ZDim} and {v.PatchSize}"))}.");
        return new TinyVaeConfig(latents, patch,
            (Size("decoder.1.weight", 0), Size("decoder.8.weight", 0), Size("decoder.14.weight", 0), Size("decoder.20.weight", 0)),
            Size("encoder.0.weight", 0));
    }
}
