using TorchSharp.Utils;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.TinyVae;

/// <summary>
/// The tiny autoencoder (TAEHV) for the latents of a Wan model: 2D convolutions of at most 256 channels, with one frame of the past.
/// A hundredth of the full VAE's work, somewhat coarser. Frame by frame and whole, it gives the same.
/// </summary>
/// <remarks>Upstream: madebyollin/taehv, 1f14a56, <c>taehv.py</c>; the files <c>taew2_1</c> and <c>taew2_2</c>.</remarks>
public sealed class TinyVideoAutoencoder : nn.Module, IVideoAutoencoder
{
    // The first latent frame becomes four frames too, of which the last alone is kept.
    private const int Dropped = TinyVaeConfig.TemporalFactor - 1;

    // Of latent frames that go through together: memory, and number, beyond which they are no faster.
    private const long GroupBytes = 640L << 20;
    private const int MostTogether = 8;

    [ComponentName(Name = "encoder")]
    private readonly TinyStack _encoder;

    [ComponentName(Name = "decoder")]
    private readonly TinyStack _decoder;

    private readonly Placement _placement;

    /// <summary>Creates the network; its values come from a checkpoint.</summary>
    /// <param name="config">The sizes.</param>
    /// <param name="placement">Device and dtype of the weights, in which everything is computed.</param>
    public TinyVideoAutoencoder(TinyVaeConfig config, Placement placement)
        : base(nameof(TinyVideoAutoencoder))
    {
        ArgumentNullException.ThrowIfNull(config);
        (Config, _placement) = (config, placement);
        (int a, int b, int c, int d) = config.Widths;
        int width = config.EncoderWidth, pixels = 3 * config.PatchSize * config.PatchSize;
        TinyLayer Memory(int channels) => new TinyMemoryBlock(channels, placement);
        TinyLayer Plain(int from, int to, long stride = 1) => new TinyConv(from, to, placement, bias: false, stride: stride);
        _encoder = new TinyStack(
            new TinyConv(pixels, width, placement), TinyFunction.Relu(),
            TinyTime.Pool(width, 2, placement), Plain(width, width, stride: 2), Memory(width), Memory(width), Memory(width),
            TinyTime.Pool(width, 2, placement), Plain(width, width, stride: 2), Memory(width), Memory(width), Memory(width),
            TinyTime.Pool(width, 1, placement), Plain(width, width, stride: 2), Memory(width), Memory(width), Memory(width),
            new TinyConv(width, config.LatentChannels, placement));
        _decoder = new TinyStack(
            TinyFunction.Clamp(), new TinyConv(config.LatentChannels, a, placement), TinyFunction.Relu(),
            Memory(a), Memory(a), Memory(a), TinyFunction.Upsample(), TinyTime.Grow(a, 1, placement), Plain(a, b),
            Memory(b), Memory(b), Memory(b), TinyFunction.Upsample(), TinyTime.Grow(b, 2, placement), Plain(b, c),
            Memory(c), Memory(c), Memory(c), TinyFunction.Upsample(), TinyTime.Grow(c, 2, placement), Plain(c, d),
            TinyFunction.Relu(), new TinyConv(d, pixels, placement));
        RegisterComponents();
    }

    /// <summary>The sizes.</summary>
    public TinyVaeConfig Config { get; }

    /// <summary>The decoder's layers.</summary>
    internal TinyStack Decoder => _decoder;

    /// <inheritdoc/>
    public Tensor Encode(Tensor video, CancellationToken cancellationToken = default)
    {
        CheckVideo(video);
        using var scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        using var memory = new FrameMemory();
        var latents = new List<Tensor>();
        // The end is filled up with its last frame.
        for (long first = 0; first < video.size(2); first += TinyVaeConfig.TemporalFactor)
        {
            Tensor frames = video.narrow(2, first, Math.Min(TinyVaeConfig.TemporalFactor, video.size(2) - first));
            if (frames.size(2) < TinyVaeConfig.TemporalFactor)
                frames = cat([frames, frames.narrow(2, frames.size(2) - 1, 1).expand(-1, -1,
                    TinyVaeConfig.TemporalFactor - frames.size(2), -1, -1)], dim: 2);
            latents.Add(_encoder.Run(ToInput(frames), memory, cancellationToken));
        }
        return cat(latents, dim: 1).transpose(1, 2).to_type(ScalarType.Float32).contiguous().MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public IEnumerable<Tensor> DecodeChunks(Tensor latents, CancellationToken cancellationToken = default)
    {
        CheckLatents(latents);
        return DecodeGroups([latents], cancellationToken);
    }

    /// <inheritdoc/>
    public IEnumerable<Tensor> DecodeGroups(IEnumerable<Tensor> groups, CancellationToken cancellationToken = default)
    {
        using var memory = new FrameMemory();
        TinyFrameDecoder? inFrames = null;
        try
        {
            bool first = true;
            foreach (Tensor latents in groups)
            {
                CheckLatents(latents);
                if (first) inFrames = InFrames(latents);
                long together = inFrames is null ? 1 : Together(latents.shape);
                for (long frame = 0; frame < latents.size(2); frame += together)
                {
                    using Tensor video =
                        Decode(latents, frame, Math.Min(together, latents.size(2) - frame), memory, inFrames, first, cancellationToken);
                    long size = first ? 1 : TinyVaeConfig.TemporalFactor;
                    for (long at = 0; at < video.size(2); at += size, size = TinyVaeConfig.TemporalFactor)
                        yield return Frames(video, at, size);
                    first = false;
                }
            }
        }
        finally
        {
            inFrames?.Dispose();
        }
    }

    /// <summary>Decodes all latents at once, without gradients; gives what <see cref="DecodeChunks"/> does, put together.</summary>
    /// <param name="latents">Normalised latents, <c>[B, C, 1 + n, h, w]</c>.</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns>The video, <c>[B, 3, 1 + 4n, H, W]</c> in [−1, 1].</returns>
    /// <exception cref="ArgumentException">The latents have another shape.</exception>
    public Tensor DecodeWhole(Tensor latents, CancellationToken cancellationToken = default)
    {
        CheckLatents(latents);
        return Decode(latents, 0, latents.size(2), null, null, true, cancellationToken);
    }

    /// <summary>
    /// Shows a checkpoint as this network has it: where a layer that makes frames has more of them than are needed, its last ones.
    /// </summary>
    /// <param name="checkpoint">A checkpoint with the official names; the view owns it.</param>
    /// <param name="config">Its sizes.</param>
    public static ICheckpoint Trimmed(ICheckpoint checkpoint, TinyVaeConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        (int a, int b, int c, _) = config.Widths;
        return new LastRowsView(checkpoint, new Dictionary<string, long>
        {
            ["decoder.7.conv.weight"] = a, ["decoder.13.conv.weight"] = 2 * b, ["decoder.19.conv.weight"] = 2 * c,
        });
    }

    // What decodes clips as this one frame by frame, where that is the fastest.
    private TinyFrameDecoder? InFrames(Tensor latents)
    {
        using var scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        return TinyFrameDecoder.Serves(latents.narrow(2, 0, 1).to(_placement.Dtype, _placement.Device), Config)
            ? new TinyFrameDecoder(_decoder)
            : null;
    }

    // Latent frames that go through together: the coarsest level of one is too little for a GPU.
    private long Together(long[] latents)
    {
        long pixels = latents[3] * latents[4] * Config.SpatialFactor * Config.SpatialFactor / (Config.PatchSize * Config.PatchSize);
        return Math.Clamp(GroupBytes / (TinyVaeConfig.TemporalFactor * pixels * TinyFrameDecoder.BytesOfPixel(Config)), 1, MostTogether);
    }

    private static Tensor Frames(Tensor video, long first, long count)
    {
        using var scope = NewDisposeScope();
        return video.narrow(2, first, count).contiguous().MoveToOuterDisposeScope();
    }

    private Tensor Decode(Tensor latents, long frame, long count, FrameMemory? memory, TinyFrameDecoder? inFrames, bool first,
        CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Tensor x = latents.narrow(2, frame, count).to(_placement.Dtype, _placement.Device).transpose(1, 2);
        Tensor frames = inFrames?.Run(x, memory!, cancellationToken) ?? _decoder.Run(x, memory, cancellationToken);
        if (first) frames = frames.narrow(1, Dropped, frames.size(1) - Dropped);
        if (Config.PatchSize > 1)
        {
            Tensor pixels = nn.functional.pixel_shuffle(frames.flatten(0, 1), Config.PatchSize);
            frames = pixels.reshape([frames.size(0), frames.size(1), .. pixels.shape[1..]]);
        }
        return (frames.clamp(0, 1) * 2 - 1).transpose(1, 2).contiguous().MoveToOuterDisposeScope();
    }

    // [B, 3, T, H, W] in [−1, 1] to [B, T, 3·p², H/p, W/p] in [0, 1].
    private Tensor ToInput(Tensor video)
    {
        Tensor frames = ((video + 1) / 2).to_type(_placement.Dtype).transpose(1, 2);
        if (Config.PatchSize == 1) return frames;
        Tensor patches = nn.functional.pixel_unshuffle(frames.flatten(0, 1), Config.PatchSize);
        return patches.reshape([frames.size(0), frames.size(1), .. patches.shape[1..]]);
    }

    private void CheckVideo(Tensor video)
    {
        long[] s = video.shape;
        if (s.Length != 5 || s[1] != 3 || s[2] < 1 || (s[2] - 1) % TinyVaeConfig.TemporalFactor != 0 || s[3] < 1
            || s[3] % Config.SpatialFactor != 0 || s[4] < 1 || s[4] % Config.SpatialFactor != 0)
            throw new ArgumentException(
                $"The video has shape [{string.Join(", ", s)}]; expected [B, 3, T, H, W] with T = 1 + {TinyVaeConfig.TemporalFactor}·n "
                    + $"and H and W multiples of {Config.SpatialFactor}.", nameof(video));
    }

    private void CheckLatents(Tensor latents)
    {
        long[] s = latents.shape;
        if (s.Length != 5 || s[1] != Config.LatentChannels || s[2] < 1)
            throw new ArgumentException($"The latents have shape [{string.Join(", ", s)}]; expected [B, {Config.LatentChannels}, T, h, w] "
                + "with T at least 1.", nameof(latents));
    }

    private sealed class LastRowsView : CheckpointView
    {
        public LastRowsView(ICheckpoint inner, Dictionary<string, long> rows)
            : base(inner) =>
            Tensors = ByName(inner.Tensors.Values.Select(t =>
                rows.TryGetValue(t.Name, out long wanted) && t.Shape.Count > 0 && t.Shape[0] > wanted
                    ? new TensorInfo(t.Name, t.Dtype, [wanted, .. t.Shape.Skip(1)])
                    : t));

        public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

        public override Tensor Read(string name)
        {
            using var scope = NewDisposeScope();
            Tensor tensor = Inner.Read(name);
            long rows = Tensors[name].Shape is [var first, ..] ? first : 0;
            return (tensor.dim() > 0 && rows < tensor.size(0) ? tensor.narrow(0, tensor.size(0) - rows, rows).clone() : tensor)
                .MoveToOuterDisposeScope();
        }
    }
}
