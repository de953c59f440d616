using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>
/// The causal video autoencoder of Wan 2.1 or 2.2. A video of 1 + 4n frames becomes 1 + n latent frames at an eighth (2.2: a sixteenth)
/// of its height and width; frame 0 stands alone, so an image is a video of one frame.
/// </summary>
/// <remarks>
/// Two forms of one network. In chunks (<see cref="Encode"/>, <see cref="Decode"/>, <see cref="DecodeChunks"/>): frame 0,
/// then four frames (one latent frame) at a time, in memory that does not grow with the length, without gradients. Whole
/// (<see cref="EncodeWhole"/>, <see cref="DecodeWhole"/>): all frames at once, with gradients where parameters or inputs
/// ask for them. The two agree up to floating-point rounding. The module keeps no state between calls: calls may be
/// interleaved or concurrent.
/// Upstream: Wan-Video/Wan2.1, <c>wan/modules/vae.py</c>, f1f7c88; Wan-Video/Wan2.2, <c>wan/modules/vae2_2.py</c>, 42bf4cf;
/// thu-ml/TurboDiffusion aaecff5 runs the same network.
/// </remarks>
public sealed class WanVae : nn.Module<Tensor, Tensor>, IVideoAutoencoder
{
    /// <summary><see cref="DecodeBudget"/> where nothing else is said: on Hopper, 720p whole, frame by frame.</summary>
    public const long UsualDecodeBudget = 6_000_000_000;

    /// <summary>That of low memory: on Hopper, 720p in two strips, one after the other.</summary>
    public const long LowDecodeBudget = 3_900_000_000;

    [ComponentName(Name = "encoder")]
    private readonly VaeEncoder _encoder;

    [ComponentName(Name = "conv1")]
    private readonly CausalConv3d _toPosterior;

    [ComponentName(Name = "conv2")]
    private readonly CausalConv3d _fromLatent;

    [ComponentName(Name = "decoder")]
    private readonly VaeDecoder _decoder;

    /// <summary>Creates the network; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">The sizes.</param>
    /// <param name="placement">Device and dtype of the weights, in which the convolutions are computed.</param>
    public WanVae(VaeConfig config, Placement placement)
        : base(nameof(WanVae))
    {
        Config = config;
        _encoder = new VaeEncoder(config, placement);
        _toPosterior = new CausalConv3d(2 * config.ZDim, 2 * config.ZDim, 1, 1, placement);
        _fromLatent = new CausalConv3d(config.ZDim, config.ZDim, 1, 1, placement);
        _decoder = new VaeDecoder(config, placement);
        RegisterComponents();
    }

    /// <summary>The sizes.</summary>
    public VaeConfig Config { get; }

    /// <summary>
    /// Bytes that decoding may take on the device beside the weights, by an estimate. Within it, as many frames as
    /// possible go together; then a clip is decoded in strips, first each chunk, then the clip, strip by strip, whose frames come only when
    /// all are done. The frames are the same, up to rounding.
    /// </summary>
    public long DecodeBudget { get; init; } = UsualDecodeBudget;

    /// <summary>How to decode, in place of what the budget says.</summary>
    internal DecodePlan? FixedPlan { get; init; }

    /// <summary>Whether a parameter belongs to the decoder: the latents do not depend on it.</summary>
    /// <param name="parameter">Its name.</param>
    public static bool IsOfDecoder(string parameter) =>
        parameter.StartsWith("decoder.", StringComparison.Ordinal) || parameter.StartsWith("conv2.", StringComparison.Ordinal);

    /// <summary>Encodes a video in chunks, without gradients.</summary>
    /// <param name="video">
    /// <c>[B, 3, T, H, W]</c> in [−1, 1], any float dtype, on the device of the weights; T = 1 + 4n, H and W multiples of 8.
    /// </param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns>The mean of the posterior, normalised per channel: <c>[B, ZDim, 1 + n, H/8, W/8]</c>, float32.</returns>
    /// <exception cref="ArgumentException">The video has another shape.</exception>
    public Tensor Encode(Tensor video, CancellationToken cancellationToken = default)
    {
        CheckVideo(video);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var clips = new ClipCaches(video.size(0));
        var features = new List<Tensor>();
        for (long start = 0, length = 1; start < video.size(2); start += length, length = Config.TemporalFactor)
            features.Add(clips.Run(Patchify(video.narrow(2, start, length)).to_type(_encoder.Dtype),
                (chunk, caches) => _encoder.forward(chunk, caches[0], cancellationToken)));
        return Normalise(Posterior(cat(features, dim: 2)).Mean).MoveToOuterDisposeScope();
    }

    /// <summary>Encodes a video whole, with gradients; otherwise as <see cref="Encode"/>.</summary>
    /// <param name="video"><c>[B, 3, T, H, W]</c> in [−1, 1].</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns>Normalised latents, <c>[B, ZDim, 1 + n, H/8, W/8]</c>, float32.</returns>
    /// <exception cref="ArgumentException">The video has another shape.</exception>
    public Tensor EncodeWhole(Tensor video, CancellationToken cancellationToken = default)
    {
        using var scope = NewDisposeScope();
        return Normalise(EncodePosterior(video, cancellationToken).Mean).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The posterior of a video, whole and with gradients, in the VAE's own scale (not normalised): what VAE training needs.
    /// </summary>
    /// <param name="video"><c>[B, 3, T, H, W]</c> in [−1, 1].</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns>Mean and logarithm of the variance, each <c>[B, ZDim, 1 + n, H/8, W/8]</c>, in the weights' dtype.</returns>
    /// <exception cref="ArgumentException">The video has another shape.</exception>
    public (Tensor Mean, Tensor LogVariance) EncodePosterior(Tensor video, CancellationToken cancellationToken = default)
    {
        CheckVideo(video);
        using var scope = NewDisposeScope();
        (Tensor mean, Tensor logVariance) = Posterior(_encoder.forward(Patchify(video).to_type(_encoder.Dtype), null, cancellationToken));
        return (mean.MoveToOuterDisposeScope(), logVariance.MoveToOuterDisposeScope());
    }

    /// <summary>Decodes latents in chunks, without gradients.</summary>
    /// <param name="latents">Normalised latents, <c>[B, ZDim, 1 + n, H/8, W/8]</c>, any float dtype, on the device of the weights.</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns>The video, <c>[B, 3, 1 + 4n, H, W]</c>, about [−1, 1] but not clamped, in the weights' dtype.</returns>
    /// <exception cref="ArgumentException">The latents have another shape.</exception>
    public Tensor Decode(Tensor latents, CancellationToken cancellationToken = default)
    {
        using var scope = NewDisposeScope();
        return cat([.. DecodeChunks(latents, cancellationToken)], dim: 2).MoveToOuterDisposeScope();
    }

    /// <summary>Decodes latents chunk by chunk as the sequence is read: one frame, then four at a time.</summary>
    /// <param name="latents">As for <see cref="Decode"/>; must live until the sequence has been read.</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns>
    /// Chunks <c>[B, 3, 1 or 4, H, W]</c>; each is the caller's to dispose (it joins the dispose scope current when it is made).
    /// </returns>
    /// <exception cref="ArgumentException">The latents have another shape.</exception>
    public IEnumerable<Tensor> DecodeChunks(Tensor latents, CancellationToken cancellationToken = default)
    {
        CheckLatents(latents);
        DecodePlan plan = PlanDecoding(latents);
        return plan.TileByTile ? TileByTile() : DecodeGroups([latents], cancellationToken);

        IEnumerable<Tensor> TileByTile()
        {
            var whole = new Queue<Tensor>(DecodeTileByTile(latents, plan, cancellationToken));
            try
            {
                while (whole.TryDequeue(out Tensor? patches))
                    using (patches) yield return Delivered(patches, latents.device);
            }
            finally
            {
                foreach (Tensor patches in whole) patches.Dispose();
            }
        }
    }

    /// <inheritdoc/>
    public IEnumerable<Tensor> DecodeGroups(IEnumerable<Tensor> groups, CancellationToken cancellationToken = default)
    {
        // Of the first group, and never strip after strip: each group's frames are wanted before the next group is there.
        DecodePlan? plan = null;
        IReadOnlyList<DecodeTile> tiles = [];
        ClipCaches? clips = null;
        try
        {
            foreach (Tensor latents in groups)
            {
                CheckLatents(latents);
                plan ??= PlanDecoding(latents);
                if (clips is null)
                {
                    tiles = TilesOf(latents, plan);
                    clips = new ClipCaches(latents.size(0), tiles.Count);
                }
                // All at once: every copy of a number to the GPU waits for what the GPU has been given so far.
                using Tensor features = ToDecoder(latents);
                for (long frame = 0; frame < latents.size(2); frame++)
                    yield return DecodeChunk(features.narrow(2, frame, 1), clips, tiles, plan.Frames, cancellationToken);
            }
        }
        finally
        {
            clips?.Dispose();
        }
    }

    /// <summary>Decodes latents whole, with gradients; otherwise as <see cref="Decode"/>.</summary>
    /// <param name="latents">Normalised latents, <c>[B, ZDim, 1 + n, H/8, W/8]</c>.</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns>The video, <c>[B, 3, 1 + 4n, H, W]</c>, not clamped, in the weights' dtype.</returns>
    /// <exception cref="ArgumentException">The latents have another shape.</exception>
    public Tensor DecodeWhole(Tensor latents, CancellationToken cancellationToken = default)
    {
        CheckLatents(latents);
        using var scope = NewDisposeScope();
        return Unpatchify(_decoder.forward(_fromLatent.forward(Denormalise(latents), null), null, cancellationToken))
            .MoveToOuterDisposeScope();
    }

    /// <summary>The reconstruction of a video, whole: decode(encode(video)).</summary>
    /// <param name="input"><c>[B, 3, T, H, W]</c> in [−1, 1].</param>
    /// <returns>The video, <c>[B, 3, T, H, W]</c>, in the weights' dtype.</returns>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return DecodeWhole(EncodeWhole(input)).MoveToOuterDisposeScope();
    }

    // Not part of the iterator: a dispose scope or no_grad must not stay open while the consumer runs.
    private Tensor DecodeChunk(
        Tensor chunk, ClipCaches clips, IReadOnlyList<DecodeTile> tiles, int together, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        scope.Attach(chunk);
        Tensor patches = clips.Run(chunk, (z, caches) =>
        {
            Tensor features = _decoder.Middle(z, caches[0], cancellationToken);
            return tiles.Count == 0
                ? _decoder.Enlarge(features, null, together, caches[0], cancellationToken)
                : cat([.. tiles.Select((tile, i) => _decoder.Enlarge(features, tile, together, caches[i + 1], cancellationToken))],
                    tiles[0].Axis);
        });
        return Unpatchify(patches).MoveToOuterDisposeScope();
    }

    // The chunks of the clips as the network gives them, in the computer's memory and in no dispose scope.
    private Tensor[] DecodeTileByTile(Tensor latents, DecodePlan plan, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var weights = new CausalCache();
        IReadOnlyList<DecodeTile> tiles = TilesOf(latents, plan);
        int clips = (int)latents.size(0), chunks = (int)latents.size(2);
        var strips = new Tensor[chunks, clips, tiles.Count];
        for (int clip = 0; clip < clips; clip++)
        {
            using var ofClip = NewDisposeScope();
            Tensor one = latents.narrow(0, clip, 1);
            Tensor[] features = Middles(one);
            for (int tile = 0; tile < tiles.Count; tile++)
            {
                using var past = new CausalCache(weights);
                for (int chunk = 0; chunk < chunks; chunk++)
                {
                    using var ofChunk = NewDisposeScope();
                    Tensor strip = _decoder.Enlarge(features[chunk], tiles[tile], plan.Frames, past, cancellationToken);
                    scope.Attach(strips[chunk, clip, tile] = strip.cpu().contiguous().DetachFromDisposeScope());
                }
            }
        }
        return [.. Enumerable.Range(0, chunks).Select(chunk => cat([.. Enumerable.Range(0, clips).Select(clip =>
            cat([.. Enumerable.Range(0, tiles.Count).Select(tile => strips[chunk, clip, tile])], tiles[0].Axis))], 0)
            .DetachFromDisposeScope())];

        Tensor[] Middles(Tensor one)
        {
            using var past = new CausalCache(weights);
            using Tensor all = ToDecoder(one);
            return [.. Enumerable.Range(0, chunks).Select(chunk =>
            {
                using var ofChunk = NewDisposeScope();
                return _decoder.Middle(all.narrow(2, chunk, 1), past, cancellationToken).MoveToOuterDisposeScope();
            })];
        }
    }

    private Tensor Delivered(Tensor patches, Device device)
    {
        using var scope = NewDisposeScope();
        return Unpatchify(patches.to(device)).clone().MoveToOuterDisposeScope();
    }

    // Without gradients, and in no dispose scope.
    private Tensor ToDecoder(Tensor latents)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        return _fromLatent.forward(Denormalise(latents), null).DetachFromDisposeScope();
    }

    private DecodePlan PlanDecoding(Tensor latents) => FixedPlan ?? DecodePlan.Within(
        Config, (latents.size(2), latents.size(3), latents.size(4)), ScalarTypes.Bytes(_fromLatent.Dtype), DecodeBudget,
        latents.device_type == TorchSharp.DeviceType.CUDA, _decoder.ReadsFrames(latents));

    private static IReadOnlyList<DecodeTile> TilesOf(Tensor latents, DecodePlan plan) =>
        plan.Tiles == 1 ? [] : DecodeTile.Divide(latents.size(3), latents.size(4), plan.Tiles);

    // [B, 3, T, H, W] to [B, 3·p², T, H/p, W/p]: the column within the patch is slower than the row.
    private Tensor Patchify(Tensor video)
    {
        int p = Config.PatchSize;
        if (p == 1) return video;
        using var scope = NewDisposeScope();
        long[] s = video.shape;
        return video.reshape(s[0], s[1], s[2], s[3] / p, p, s[4] / p, p).permute(0, 1, 6, 4, 2, 3, 5)
            .reshape(s[0], s[1] * p * p, s[2], s[3] / p, s[4] / p).MoveToOuterDisposeScope();
    }

    private Tensor Unpatchify(Tensor patches)
    {
        int p = Config.PatchSize;
        if (p == 1) return patches;
        using var scope = NewDisposeScope();
        long[] s = patches.shape;
        return patches.reshape(s[0], s[1] / (p * p), p, p, s[2], s[3], s[4]).permute(0, 1, 4, 5, 3, 6, 2)
            .reshape(s[0], s[1] / (p * p), s[2], s[3] * p, s[4] * p).MoveToOuterDisposeScope();
    }

    private (Tensor Mean, Tensor LogVariance) Posterior(Tensor features)
    {
        Tensor[] parts = _toPosterior.forward(features, null).chunk(2, 1);
        return (parts[0], parts[1]);
    }

    private Tensor Normalise(Tensor mean) =>
        (mean.to_type(ScalarType.Float32) - PerChannel(Config.LatentMean, mean.device)) / PerChannel(Config.LatentStd, mean.device);

    private Tensor Denormalise(Tensor latents) =>
        (latents.to_type(ScalarType.Float32) * PerChannel(Config.LatentStd, latents.device) + PerChannel(Config.LatentMean, latents.device))
            .to_type(_decoder.Dtype);

    private static Tensor PerChannel(IReadOnlyList<float> values, Device device) =>
        tensor(values.ToArray()).to(device).view(1, -1, 1, 1, 1);

    private void CheckVideo(Tensor video)
    {
        long[] s = video.shape;
        if (s.Length != 5 || s[1] != 3 || !Config.Takes(s[2])
            || s[3] < 1 || s[4] < 1 || s[3] % Config.SpatialFactor != 0 || s[4] % Config.SpatialFactor != 0)
            throw new ArgumentException(
                $"The video has shape [{string.Join(", ", s)}]; expected [B, 3, T, H, W] with T = 1 + {Config.TemporalFactor}·n and H and "
                    + $"W multiples of {Config.SpatialFactor}.",
                nameof(video));
    }

    private void CheckLatents(Tensor latents)
    {
        long[] s = latents.shape;
        if (s.Length != 5 || s[1] != Config.ZDim || s[2] < 1)
            throw new ArgumentException(
                $"The latents have shape [{string.Join(", ", s)}]; expected [B, {Config.ZDim}, T, H, W] with T at least 1.",
                nameof(latents));
    }
}
