using TurboDiffusion.Checkpoints;
using TurboDiffusion.Operators;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>The sizes of a Wan VAE, of 2.1 or 2.2.</summary>
/// <remarks>
/// Upstream: Wan-Video/Wan2.1, <c>wan/modules/vae.py</c>, f1f7c88, <c>_video_vae</c>; Wan-Video/Wan2.2, <c>wan/modules/vae2_2.py</c>,
/// 42bf4cf.
/// </remarks>
public sealed record VaeConfig
{
    /// <summary>The most frames of a clip that can be asked for; models are trained with far fewer.</summary>
    public const int MostFrames = 1025;

    private static readonly float[] Wan22LatentMean =
        [-0.2289f, -0.0052f, -0.1323f, -0.2339f, -0.2799f, 0.0174f, 0.1838f, 0.1557f, -0.1382f, 0.0542f, 0.2813f, 0.0891f,
         0.1570f, -0.0098f, 0.0375f, -0.1825f, -0.2246f, -0.1207f, -0.0698f, 0.5109f, 0.2665f, -0.2108f, -0.2158f, 0.2502f,
         -0.2055f, -0.0322f, 0.1109f, 0.1567f, -0.0729f, 0.0899f, -0.2799f, -0.1230f, -0.0313f, -0.1649f, 0.0117f, 0.0723f,
         -0.2839f, -0.2083f, -0.0520f, 0.3748f, 0.0152f, 0.1957f, 0.1433f, -0.2944f, 0.3573f, -0.0548f, -0.1681f, -0.0667f];

    private static readonly float[] Wan22LatentStd =
        [0.4765f, 1.0364f, 0.4514f, 1.1677f, 0.5313f, 0.4990f, 0.4818f, 0.5013f, 0.8158f, 1.0344f, 0.5894f, 1.0901f,
         0.6885f, 0.6165f, 0.8454f, 0.4978f, 0.5759f, 0.3523f, 0.7135f, 0.6804f, 0.5833f, 1.4146f, 0.8986f, 0.5659f,
         0.7069f, 0.5338f, 0.4889f, 0.4917f, 0.4069f, 0.4999f, 0.6866f, 0.4093f, 0.5709f, 0.6065f, 0.6415f, 0.4944f,
         0.5726f, 1.2042f, 0.5458f, 1.6887f, 0.3971f, 1.0600f, 0.3943f, 0.5537f, 0.5444f, 0.4089f, 0.7468f, 0.7744f];

    private static readonly float[] WanLatentMean =
        [-0.7571f, -0.7089f, -0.9113f, 0.1075f, -0.1745f, 0.9653f, -0.1517f, 1.5508f,
         0.4134f, -0.0715f, 0.5517f, -0.3632f, -0.1922f, -0.9497f, 0.2503f, -0.2921f];

    private static readonly float[] WanLatentStd =
        [2.8184f, 1.4541f, 2.3275f, 2.6558f, 1.2196f, 1.7708f, 2.6052f, 2.0743f,
         3.2687f, 2.1526f, 2.8652f, 1.5579f, 1.6382f, 1.1253f, 2.8251f, 1.9160f];

    // No level of a real VAE comes near; a larger claim is refused before anything is sized by it.
    private const int MaxChannels = 1 << 16;

    /// <summary>Creates a configuration and checks it.</summary>
    /// <param name="dim">Channels at full resolution.</param>
    /// <param name="zDim">Channels of the latents.</param>
    /// <param name="dimMult">Channels of each resolution level as a multiple of <paramref name="dim"/>, finest first.</param>
    /// <param name="numResBlocks">Residual blocks per level of the encoder; the decoder has one more.</param>
    /// <param name="temporalDownsample">For each step from a level to the next coarser one: whether it halves time too.</param>
    /// <param name="decoderDim">Channels of the decoder at full resolution; null: those of the encoder.</param>
    /// <param name="patchSize">Rows and columns of pixels that the network sees as channels: 1, or 2 in Wan 2.2.</param>
    /// <param name="hasShortcuts">Whether each resolution level adds its input, averaged or repeated, to its output, as in Wan 2.2.</param>
    /// <exception cref="InvalidRequestException">The values do not describe a VAE.</exception>
    public VaeConfig(
        int dim, int zDim, IReadOnlyList<int> dimMult, int numResBlocks, IReadOnlyList<bool> temporalDownsample, int? decoderDim = null,
        int patchSize = 1, bool hasShortcuts = false)
    {
        foreach ((string name, int value) in new[]
                 {
                     (nameof(dim), dim), (nameof(decoderDim), decoderDim ?? dim), (nameof(patchSize), patchSize),
                     (nameof(numResBlocks), numResBlocks),
                 })
            if (value < 1) throw new InvalidRequestException(name, $"{name} is {value}; it must be at least 1.");
        if (dimMult.Count == 0 || dimMult.Any(m => m <= 0))
            throw new InvalidRequestException(nameof(dimMult),
                $"dimMult is [{string.Join(", ", dimMult)}]; every level needs a positive multiple.");
        if (hasShortcuts && dimMult[0] != 1)
            throw new InvalidRequestException(nameof(dimMult),
                $"dimMult is [{string.Join(", ", dimMult)}]; with shortcuts, the first level has the channels of the input, so 1.");
        if (temporalDownsample.Count != dimMult.Count - 1)
            throw new InvalidRequestException(nameof(temporalDownsample),
                $"temporalDownsample has {temporalDownsample.Count} entries; {dimMult.Count} levels have {dimMult.Count - 1} steps "
                    + "between them.");
        for (int i = 1; i < dimMult.Count && !hasShortcuts; i++)
            if ((decoderDim ?? dim) * dimMult[i] % 2 != 0)
                throw new InvalidRequestException(decoderDim is null ? nameof(dim) : nameof(decoderDim),
                    $"Level {i} has {(decoderDim ?? dim) * dimMult[i]} channels; the decoder halves them, so the number must be even.");
        for (int level = 0; level < dimMult.Count && hasShortcuts; level++)
        {
            // What a level adds to its output: means of groups of its input's values, or its input repeated.
            int before = dimMult[Math.Max(0, level - 1)], here = dimMult[level], coarser = dimMult[Math.Min(dimMult.Count - 1, level + 1)];
            if ((long)before * Values(level) % here != 0 || level > 0 && (long)here * Values(level - 1) % coarser != 0)
                throw new InvalidRequestException(nameof(dimMult),
                    $"Level {level} has {here} times the first one's channels, and its neighbours {before} and {coarser}: values of one "
                        + "do not spread evenly over the other.");
        }

        // Values that become one, or that one becomes, in the step from a level to the next coarser one; 1 behind the last.
        int Values(int level) => level == dimMult.Count - 1 ? 1 : temporalDownsample[level] ? 8 : 4;
        if (zDim != WanLatentMean.Length && zDim != Wan22LatentMean.Length)
            throw new InvalidRequestException(nameof(zDim),
                $"zDim is {zDim}; the latent statistics of Wan are for {WanLatentMean.Length} channels (2.1) and "
                    + $"{Wan22LatentMean.Length} (2.2).");
        Dim = dim;
        ZDim = zDim;
        DimMult = [.. dimMult];
        NumResBlocks = numResBlocks;
        TemporalDownsample = [.. temporalDownsample];
        (DecoderDim, PatchSize, HasShortcuts) = (decoderDim ?? dim, patchSize, hasShortcuts);
    }

    /// <summary>The published VAE of Wan 2.1, used by Wan 2.2 A14B as well.</summary>
    public static VaeConfig Wan21 { get; } = WithDim(96);

    /// <summary>The published VAE of Wan 2.2 TI2V-5B.</summary>
    public static VaeConfig Wan22 { get; } = new(160, 48, [1, 2, 4, 4], 2, [false, true, true], decoderDim: 256, patchSize: 2,
        hasShortcuts: true);

    /// <summary>Channels at full resolution.</summary>
    public int Dim { get; }

    /// <summary>Channels of the decoder at full resolution.</summary>
    public int DecoderDim { get; }

    /// <summary>Rows and columns of pixels that the network sees as channels.</summary>
    public int PatchSize { get; }

    /// <summary>Whether each resolution level adds its input, averaged or repeated, to its output.</summary>
    public bool HasShortcuts { get; }

    /// <summary>Channels of a frame as the network sees it.</summary>
    internal int PixelChannels => 3 * PatchSize * PatchSize;

    /// <summary>Channels of the latents.</summary>
    public int ZDim { get; }

    /// <summary>Channels of each resolution level as a multiple of <see cref="Dim"/>, finest first.</summary>
    public IReadOnlyList<int> DimMult { get; }

    /// <summary>Residual blocks per level of the encoder; the decoder has one more.</summary>
    public int NumResBlocks { get; }

    /// <summary>For each step from a level to the next coarser one: whether it halves time too.</summary>
    public IReadOnlyList<bool> TemporalDownsample { get; }

    /// <summary>Mean of each latent channel over the training data, <c>[ZDim]</c>; subtracted when encoding.</summary>
    public IReadOnlyList<float> LatentMean => ZDim == WanLatentMean.Length ? WanLatentMean : Wan22LatentMean;

    /// <summary>Standard deviation of each latent channel, <c>[ZDim]</c>; divided by when encoding.</summary>
    public IReadOnlyList<float> LatentStd => ZDim == WanLatentStd.Length ? WanLatentStd : Wan22LatentStd;

    /// <summary>Pixels per latent cell on each spatial axis: 8 for Wan 2.1, 16 for Wan 2.2.</summary>
    public int SpatialFactor => PatchSize << TemporalDownsample.Count;

    /// <summary>Frames per latent frame after the first, which stands alone: 4 for Wan 2.1.</summary>
    public int TemporalFactor => 1 << TemporalDownsample.Count(t => t);

    /// <summary>Latent frames of a clip: one of the first frame, and one of every <see cref="TemporalFactor"/> after it.</summary>
    /// <param name="frames">Frames, <see cref="TemporalFactor"/>·k + 1.</param>
    public int LatentFrames(int frames) => (frames - 1) / TemporalFactor + 1;

    /// <summary>Frames of a clip of so many latent frames: <see cref="TemporalFactor"/>·k + 1.</summary>
    /// <param name="latentFrames">At least one.</param>
    public long Frames(long latentFrames) => (latentFrames - 1) * TemporalFactor + 1;

    /// <summary>The shape of the latents of clips, <c>[B, ZDim, T, H, W]</c>.</summary>
    /// <param name="batch">Clips.</param>
    /// <param name="frames">Frames, <see cref="TemporalFactor"/>·k + 1.</param>
    /// <param name="height">Rows of pixels.</param>
    /// <param name="width">Columns of pixels.</param>
    public long[] LatentShape(long batch, int frames, int height, int width) =>
        [batch, ZDim, LatentFrames(frames), height / SpatialFactor, width / SpatialFactor];

    /// <summary>What the operators of the decoder's finest level are given for a later chunk.</summary>
    /// <param name="height">Rows of pixels.</param>
    /// <param name="width">Columns of pixels.</param>
    /// <param name="dtype">The element type.</param>
    public FrameShape Level(long height, long width, ScalarType dtype)
    {
        int coarser = DecoderDim * DimMult[Math.Min(1, DimMult.Count - 1)];
        return new(TemporalFactor, height / PatchSize, width / PatchSize, DecoderDim * DimMult[0], coarser,
            HasShortcuts ? coarser : coarser / 2, PixelChannels, dtype);
    }

    /// <summary>Whether clips can have so many frames: one, and whole groups of <see cref="TemporalFactor"/>.</summary>
    /// <param name="frames">Frames.</param>
    public bool Takes(long frames) => frames >= 1 && (frames - 1) % TemporalFactor == 0;

    /// <summary>The number of frames that clips can have nearest to a number.</summary>
    /// <param name="frames">Any number of frames below two billion.</param>
    public int NearestFrames(double frames) => (int)Frames(1 + (long)Math.Round(Math.Max(0, frames - 1) / TemporalFactor));

    /// <summary>Refuses a number of frames that clips cannot have, or that is larger than <see cref="MostFrames"/>.</summary>
    /// <param name="frames">Frames.</param>
    /// <exception cref="InvalidRequestException">There can be no such clip.</exception>
    public void CheckFrames(int frames)
    {
        if (Takes(frames) && frames <= MostFrames) return;
        int near = (int)Math.Clamp(Frames(LatentFrames(frames)), 1, MostFrames);
        throw new InvalidRequestException("frames",
            $"The number of frames is {frames}; it must be {TemporalFactor}k + 1, from 1 to {MostFrames}: {near} is the nearest below.");
    }

    /// <summary>The architecture of Wan 2.1 at another width, for small models.</summary>
    /// <param name="dim">Channels at full resolution.</param>
    public static VaeConfig WithDim(int dim) => new(dim, 16, [1, 2, 4, 4], 2, [false, true, true]);

    /// <summary>The same autoencoder of another width.</summary>
    /// <param name="dim">Channels at full resolution.</param>
    public VaeConfig OfWidth(int dim) => OfWidths(dim, Math.Max(1, dim * DecoderDim / Dim));

    /// <summary>The same autoencoder of other widths.</summary>
    /// <param name="dim">Channels of the encoder at full resolution.</param>
    /// <param name="decoderDim">Channels of the decoder at full resolution.</param>
    public VaeConfig OfWidths(int dim, int decoderDim) =>
        new(dim, ZDim, DimMult, NumResBlocks, TemporalDownsample, decoderDim, PatchSize, HasShortcuts);

    /// <summary>Whether the sizes are the same.</summary>
    /// <param name="other">Another configuration.</param>
    public bool Equals(VaeConfig? other) =>
        other is not null && Dim == other.Dim && ZDim == other.ZDim && NumResBlocks == other.NumResBlocks
        && DecoderDim == other.DecoderDim && PatchSize == other.PatchSize && HasShortcuts == other.HasShortcuts
        && DimMult.SequenceEqual(other.DimMult) && TemporalDownsample.SequenceEqual(other.TemporalDownsample);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Dim, ZDim, NumResBlocks, DimMult.Count);

    /// <inheritdoc/>
    public override string ToString() =>
        $"VAE dim {Dim}{(DecoderDim == Dim ? "" : $" and {DecoderDim}")} · [{string.Join(", ", DimMult)}], z {ZDim}, "
            + $"{NumResBlocks} blocks, time halved [{string.Join(", ", TemporalDownsample)}]";

    /// <summary>Reads the sizes off the names and shapes of a checkpoint.</summary>
    /// <param name="checkpoint">A checkpoint with the official key names.</param>
    /// <exception cref="CheckpointException">The tensors are not those of a Wan 2.1 VAE.</exception>
    public static VaeConfig FromCheckpoint(ICheckpoint checkpoint)
    {
        int Channels(string key) => checkpoint.Tensors.TryGetValue(key, out TensorInfo? info) && info.Shape is [>= 1 and <= MaxChannels, ..]
            ? (int)info.Shape[0]
            : throw new CheckpointException(checkpoint.Path,
                $"has no tensor '{key}' that a Wan 2.1 VAE could have; give the VAE file (Wan2.1_VAE.pth).");
        bool Has(string key) => checkpoint.Tensors.ContainsKey(key);
        if (Has("encoder.downsamples.0.downsamples.0.residual.2.bias")) return OfStages(checkpoint, Channels, Has);

        int dim = Channels("encoder.conv1.bias"), zDim = Channels("conv2.bias");
        var levels = new List<int>();
        var temporal = new List<bool>();
        int blocks = 0, index = 0;
        for (; ; index++)
        {
            string key = $"encoder.downsamples.{index}.";
            if (Has(key + "resample.1.bias")) temporal.Add(Has(key + "time_conv.bias"));
            else if (!Has(key + "residual.2.bias")) break;
            else if (levels.Count == temporal.Count) levels.Add(Channels(key + "residual.2.bias"));
            if (temporal.Count == 0) blocks++;
        }
        return Checked(checkpoint, dim, levels,
            multiples => new VaeConfig(dim, zDim, multiples, blocks, temporal, Channels("decoder.head.0.gamma")));
    }

    // Of Wan 2.2: the layers are grouped by level.
    private static VaeConfig OfStages(ICheckpoint checkpoint, Func<string, int> channels, Func<string, bool> has)
    {
        int dim = channels("encoder.conv1.bias"), zDim = channels("conv2.bias"), decoderDim = channels("decoder.head.0.gamma");
        int patch = (int)Math.Round(Math.Sqrt(channels("decoder.head.2.bias") / 3.0)), blocks = 0;
        while (has($"encoder.downsamples.0.downsamples.{blocks}.residual.2.bias")) blocks++;
        var levels = new List<int>();
        var temporal = new List<bool>();
        for (int level = 0; has($"encoder.downsamples.{level}.downsamples.0.residual.2.bias"); level++)
        {
            levels.Add(channels($"encoder.downsamples.{level}.downsamples.0.residual.2.bias"));
            if (has($"encoder.downsamples.{level}.downsamples.{blocks}.resample.1.bias"))
                temporal.Add(has($"encoder.downsamples.{level}.downsamples.{blocks}.time_conv.bias"));
        }
        return Checked(checkpoint, dim, levels,
            multiples => new VaeConfig(dim, zDim, multiples, blocks, temporal, decoderDim, patch, hasShortcuts: true));
    }

    private static VaeConfig Checked(
        ICheckpoint checkpoint, int dim, IReadOnlyList<int> levels, Func<IReadOnlyList<int>, VaeConfig> ofMultiples)
    {
        if (levels.Any(l => l % dim != 0))
            throw new CheckpointException(checkpoint.Path,
                $"does not hold a Wan VAE. Its levels have {string.Join(", ", levels)} channels, not multiples of {dim}.");
        try
        {
            return ofMultiples([.. levels.Select(l => l / dim)]);
        }
        catch (InvalidRequestException e)
        {
            throw new CheckpointException(checkpoint.Path, $"does not hold a Wan VAE. {e.Message}", e);
        }
    }
}
