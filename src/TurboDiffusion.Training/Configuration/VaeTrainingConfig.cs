using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Samples;

namespace TurboDiffusion.Training.Configuration;

/// <summary>
/// Training of a VAE: from nothing (<see cref="Width"/>) or from a checkpoint (<see cref="Initial"/>), which a width then makes wider
/// (<see cref="Networks.VaeWidening"/>).
/// </summary>
public sealed record VaeTrainingConfig : RunConfig
{
    internal const int MostWidth = 1024;

    /// <summary>The folder of clips: <see cref="Training.Data.ClipFolder"/>.</summary>
    public string? Data { get; init; }

    /// <summary>In place of a folder: clips of the shape world.</summary>
    public WorldOptions? World { get; init; }

    /// <summary>
    /// Keep the encoder, and with it the latents, as they are: for a finer decoder while a transformer is trained already.
    /// </summary>
    public bool DecoderOnly { get; init; }

    /// <summary>
    /// Channels at full resolution of a new VAE, 1 to 1024; Wan 2.1's has 96. Beside a checkpoint: to how many its encoder is widened.
    /// </summary>
    public int? Width { get; init; }

    /// <summary>
    /// Those of the decoder, 1 to 1024, where it is wider than the encoder. Beside a checkpoint: to how many its decoder is widened.
    /// </summary>
    public int? DecoderWidth { get; init; }

    /// <summary>The checkpoint to begin from.</summary>
    public string? Initial { get; init; }

    /// <summary>Frames per clip, 1 + 4n.</summary>
    public int Frames { get; init; } = 17;

    /// <summary>Rows per crop, a multiple of 8.</summary>
    public int Height { get; init; } = 64;

    /// <summary>Columns per crop, a multiple of 8.</summary>
    public int CropWidth { get; init; } = 64;

    /// <summary>Reconstructions made now and then, to look at; null: none.</summary>
    public ReconstructionOptions? Samples { get; init; }

    /// <summary>Scores of real clips through the VAE; null: none.</summary>
    public ScoreOptions? Scores { get; init; }

    /// <summary>Weights of the loss's terms.</summary>
    public VaeLossOptions Loss { get; init; } = new();
}
