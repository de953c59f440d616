using TurboDiffusion.Checkpoints;

namespace TurboDiffusion.Models.Vae;

/// <summary>The sizes of a Wan 2.1 VAE.</summary>
/// <remarks>Upstream: Wan-Video/Wan2.1, <c>wan/modules/vae.py</c>, f1f7c88, <c>_video_vae</c>.</remarks>
public sealed record VaeConfig
{
    /// <summary>The most frames of a clip that can be asked for; models are trained with far fewer.</summary>
    public const int MostFrames = 1025;

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
    /// <exception cref="ArgumentException">The values do not describe a VAE.</exception>
    public VaeConfig(int dim, int zDim, IReadOnlyList<int> dimMult, int numResBlocks, IReadOnlyList<bool> temporalDownsample)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(dim);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(numResBlocks);
        if (dimMult.Count == 0 || dimMult.Any(m => m <= 0))
            throw new ArgumentException($"dimMult is [{string.Join(", ", dimMult)}]; every level needs a positive multiple.",
                nameof(dimMult));
        if (temporalDownsample.Count != dimMult.Count - 1)
            throw new ArgumentException(
                $"temporalDownsample has {temporalDownsample.Count} entries; {dimMult.Count} levels have {dimMult.Count - 1} steps "
                    + "between them.",
                nameof(temporalDownsample));
        for (int i = 1; i < dimMult.Count; i++)
            if (dim * dimMult[i] % 2 != 0)
                throw new ArgumentException($"Level {i} has {dim * dimMult[i]} channels; the decoder halves them, so the number must be "
                    + "even.", nameof(dim));
        if (zDim != WanLatentMean.Length)
            throw new ArgumentException($"zDim is {zDim}; the latent statistics of Wan 2.1 are for {WanLatentMean.Length} channels.",
                nameof(zDim));
        Dim = dim;
        ZDim = zDim;
        DimMult = [.. dimMult];
        NumResBlocks = numResBlocks;
        TemporalDownsample = [.. temporalDownsample];
    }

    /// <summary>The published VAE of Wan 2.1, used by Wan 2.2 A14B as well.</summary>
    public static VaeConfig Wan21 { get; } = WithDim(96);

    /// <summary>Channels at full resolution.</summary>
    public int Dim { get; }

    /// <summary>Channels of the latents.</summary>
    public int ZDim { get; }

    /// <summary>Channels of each resolution level as a multiple of <see cref="Dim"/>, finest first.</summary>
    public IReadOnlyList<int> DimMult { get; }

    /// <summary>Residual blocks per level of the encoder; the decoder has one more.</summary>
    public int NumResBlocks { get; }

    /// <summary>For each step from a level to the next coarser one: whether it halves time too.</summary>
    public IReadOnlyList<bool> TemporalDownsample { get; }

    /// <summary>Mean of each latent channel over the training data, <c>[ZDim]</c>; subtracted when encoding.</summary>
    public IReadOnlyList<float> LatentMean => WanLatentMean;

    /// <summary>Standard deviation of each latent channel, <c>[ZDim]</c>; divided by when encoding.</summary>
    public IReadOnlyList<float> LatentStd => WanLatentStd;

    /// <summary>Pixels per latent cell on each spatial axis: 8 for Wan 2.1.</summary>
    public int SpatialFactor => 1 << TemporalDownsample.Count;

    /// <summary>Frames per latent frame after the first, which stands alone: 4 for Wan 2.1.</summary>
    public int TemporalFactor => 1 << TemporalDownsample.Count(t => t);

    /// <summary>Latent frames of a clip: one of the first frame, and one of every <see cref="TemporalFactor"/> after it.</summary>
    /// <param name="frames">Frames, <see cref="TemporalFactor"/>·k + 1.</param>
    public int LatentFrames(int frames) => (frames - 1) / TemporalFactor + 1;

    /// <summary>The shape of the latents of clips, <c>[B, ZDim, T, H, W]</c>.</summary>
    /// <param name="batch">Clips.</param>
    /// <param name="frames">Frames, <see cref="TemporalFactor"/>·k + 1.</param>
    /// <param name="height">Rows of pixels.</param>
    /// <param name="width">Columns of pixels.</param>
    public long[] LatentShape(long batch, int frames, int height, int width) =>
        [batch, ZDim, LatentFrames(frames), height / SpatialFactor, width / SpatialFactor];

    /// <summary>Whether clips can have so many frames: one, and whole groups of <see cref="TemporalFactor"/>.</summary>
    /// <param name="frames">Frames.</param>
    public bool Takes(long frames) => frames >= 1 && (frames - 1) % TemporalFactor == 0;

    /// <summary>The number of frames that clips can have nearest to a number.</summary>
    /// <param name="frames">Any number of frames below two billion.</param>
    public int NearestFrames(double frames) => TemporalFactor * (int)Math.Round(Math.Max(0, frames - 1) / TemporalFactor) + 1;

    /// <summary>Refuses a number of frames that clips cannot have, or that is larger than <see cref="MostFrames"/>.</summary>
    /// <param name="frames">Frames.</param>
    /// <exception cref="InvalidRequestException">There can be no such clip.</exception>
    public void CheckFrames(int frames)
    {
        if (Takes(frames) && frames <= MostFrames) return;
        int near = Math.Clamp((frames - 1) / TemporalFactor * TemporalFactor + 1, 1, MostFrames);
        throw new InvalidRequestException("frames",
            $"The number of frames is {frames}; it must be {TemporalFactor}k + 1, from 1 to {MostFrames}: {near} is the nearest below.");
    }

    /// <summary>The architecture of Wan 2.1 at another width, for small models.</summary>
    /// <param name="dim">Channels at full resolution.</param>
    public static VaeConfig WithDim(int dim) => new(dim, 16, [1, 2, 4, 4], 2, [false, true, true]);

    /// <summary>Whether the sizes are the same.</summary>
    /// <param name="other">Another configuration.</param>
    public bool Equals(VaeConfig? other) =>
        other is not null && Dim == other.Dim && ZDim == other.ZDim && NumResBlocks == other.NumResBlocks
        && DimMult.SequenceEqual(other.DimMult) && TemporalDownsample.SequenceEqual(other.TemporalDownsample);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Dim, ZDim, NumResBlocks, DimMult.Count);

    /// <inheritdoc/>
    public override string ToString() =>
        $"VAE dim {Dim} · [{string.Join(", ", DimMult)}], z {ZDim}, {NumResBlocks} blocks, time halved "
            + $"[{string.Join(", ", TemporalDownsample)}]";

    /// <summary>Reads the sizes off the names and shapes of a checkpoint.</summary>
    /// <param name="checkpoint">A checkpoint with the official key names.</param>
    /// <exception cref="CheckpointException">The tensors are not those of a Wan 2.1 VAE.</exception>
    public static VaeConfig FromCheckpoint(ICheckpoint checkpoint)
    {
        int Channels(string key) => checkpoint.Tensors.TryGetValue(key, out TensorInfo? info) && info.Shape is [>= 0 and <= MaxChannels, ..]
            ? (int)info.Shape[0]
            : throw new CheckpointException(checkpoint.Path,
                $"has no tensor '{key}' that a Wan 2.1 VAE could have; give the VAE file (Wan2.1_VAE.pth).");
        bool Has(string key) => checkpoint.Tensors.ContainsKey(key);

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
        try
        {
            if (levels.Any(l => l % dim != 0))
                throw new ArgumentException($"Its levels have {string.Join(", ", levels)} channels, not multiples of {dim}.");
            return new VaeConfig(dim, zDim, [.. levels.Select(l => l / dim)], blocks, temporal);
        }
        catch (Exception e) when (e is ArgumentException or DivideByZeroException)
        {
            throw new CheckpointException(checkpoint.Path, $"does not hold a Wan 2.1 VAE. {e.Message}", e);
        }
    }
}
