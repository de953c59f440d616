using TorchSharp.Utils;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Copies;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>
/// The Wan diffusion transformer (of Wan 2.1, and each expert of Wan 2.2): predicts the rectified-flow velocity
/// v = noise − x₀ of latents x_t = (1 − t)·x₀ + t·noise.
/// </summary>
/// <remarks>arXiv 2503.20314; TurboDiffusion aaecff5, <c>rcm/networks/wan2pt1.py</c>.</remarks>
public sealed class WanModel : nn.Module
{
    [ComponentName(Name = "patch_embedding")]
    private readonly FloatLinear _patchEmbedding;

    [ComponentName(Name = "text_embedding")]
    private readonly FeedForward _textEmbedding;

    [ComponentName(Name = "img_emb")]
    private readonly ImageEmbedding? _imageEmbedding;

    [ComponentName(Name = "time_embedding")]
    private readonly TimeEmbedding _timeEmbedding;

    [ComponentName(Name = "time_projection")]
    private readonly TimeProjection _timeProjection;

    [ComponentName(Name = "blocks")]
    private readonly TorchSharp.Modules.ModuleList<WanBlock> _blocks;

    [ComponentName(Name = "head")]
    private readonly WanHead _head;

    private readonly Placement _placement;

    // Where the blocks' weights stay in host memory: that memory, and what brings them to the device.
    private readonly WeightArena[] _hostMemory = [];
    private BlockSwap? _swap;

    /// <summary>Creates the model; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">Its dimensions.</param>
    /// <param name="attention">The self-attention operator of every block.</param>
    /// <param name="weights">Number format of the blocks' linear layers.</param>
    /// <param name="placement">Device and dtype.</param>
    public WanModel(WanConfig config, AttentionOptions attention, WeightFormat weights, Placement placement)
        : this(config, attention, weights, placement, swapsBlocks: false)
    {
    }

    /// <summary>
    /// As the public form; with <paramref name="swapsBlocks"/>, the blocks' parameters are in host memory, and once they have their values,
    /// <see cref="BeginSwapping"/> prepares the model for being run.
    /// </summary>
    internal WanModel(WanConfig config, AttentionOptions attention, WeightFormat weights, Placement placement, bool swapsBlocks)
        : base(nameof(WanModel))
    {
        Config = config;
        Attention = attention;
        Weights = weights;
        _placement = placement;
        _patchEmbedding = new FloatLinear(config.PatchChannels, config.Dim, placement);
        _textEmbedding = new FeedForward(config.TextDim, config.Dim, config.Dim, WeightFormat.Float, placement);
        if (config.HasImageBranch) _imageEmbedding = new ImageEmbedding(config, placement);
        _timeEmbedding = new TimeEmbedding(config, placement);
        _timeProjection = new TimeProjection(config, placement);
        if (swapsBlocks)
        {
            (WanBlock Block, WeightArena Memory)[] onHost = [.. Enumerable.Range(0, config.NumLayers).Select(_ => BlockInArena(CPU))];
            _hostMemory = [.. onHost.Select(b => b.Memory)];
            _blocks = nn.ModuleList([.. onHost.Select(b => b.Block)]);
        }
        else
        {
            _blocks = nn.ModuleList([.. Enumerable.Range(0, config.NumLayers)
                .Select(_ => new WanBlock(config, attention, weights, placement))]);
        }
        _head = new WanHead(config, placement);
        RegisterComponents();
    }

    /// <summary>Its dimensions.</summary>
    public WanConfig Config { get; }

    /// <summary>The self-attention operator of every block.</summary>
    public AttentionOptions Attention { get; }

    /// <summary>Number format of the blocks' linear layers.</summary>
    public WeightFormat Weights { get; }

    /// <summary>Whether the blocks' weights stay in host memory, and come to the device one block after the other.</summary>
    public bool SwapsBlocks => _hostMemory.Length > 0;

    /// <summary>
    /// For training: keep only the input of each block for the backward pass, and run the block again there. A block's
    /// activations are then in memory for one block at a time.
    /// </summary>
    public bool RecomputesActivations { get; set; }

    /// <summary>
    /// Prepares a text (and an image) for <see cref="Forward"/>: embeds it and projects every block's keys and values, once.
    /// </summary>
    /// <param name="text">The text encoder's output <c>[B, S, text dim]</c>, padding rows zero. No mask is applied.</param>
    /// <param name="image">
    /// For a model with an image branch: the image encoder's output <c>[B or 1, tokens, image dim]</c>; of a model of a first and a last
    /// frame, the tokens of both.
    /// </param>
    /// <param name="cancellationToken">Checked at each block.</param>
    /// <param name="observe">Told of the intermediate values by name.</param>
    /// <returns>The caller disposes it, or lets its dispose scope do so.</returns>
    /// <exception cref="ArgumentException">The model has an image branch and no image is given, or the other way round.</exception>
    public CrossContext PrepareContext(
        Tensor text, Tensor? image = null, CancellationToken cancellationToken = default, Observer? observe = null)
    {
        if (image is null != _imageEmbedding is null)
            throw new ArgumentException(image is null
                ? $"The transformer has an image branch; give the image encoder's tokens [B, S, {Config.ImageDim}]."
                : "The transformer has no image branch; it takes a text alone.", nameof(image));
        using var scope = NewDisposeScope();
        Tensor tokens = text.to(_placement.Dtype, _placement.Device), embedded = _textEmbedding.call(tokens);
        observe?.Invoke("text_embedding", () => embedded);
        Tensor? embeddedImage = image is null ? null : _imageEmbedding!.call(image.to(_placement.Dtype, _placement.Device));
        if (embeddedImage is not null) observe?.Invoke("img_emb", () => embeddedImage);
        long? distinct = DenseAttention.UsefulRows(tokens);
        var blocks = new List<CrossKeys>(_blocks.Count);
        for (int i = 0; i < _blocks.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            blocks.Add(Block(i).Project(embedded, embeddedImage, distinct));
        }
        foreach (CrossKeys block in blocks) block.MoveToOuterDisposeScope();
        return new CrossContext(blocks);
    }

    /// <summary>Predicts the velocity.</summary>
    /// <param name="x">Noisy latents <c>[B, 16, T, H, W]</c>, H and W even; any float dtype.</param>
    /// <param name="timesteps">t·1000, in [0, 1000], <c>[B]</c>; or <c>[B, L]</c>, one for each token (Wan 2.2 TI2V).</param>
    /// <param name="context">From <see cref="PrepareContext"/> of this model.</param>
    /// <param name="condition">I2V only: mask and image latents <c>[B, 20, T, H, W]</c>.</param>
    /// <param name="cancellationToken">Checked at each block.</param>
    /// <param name="observe">Told of the intermediate values by name.</param>
    /// <param name="rotary">From <see cref="Rotations"/>, which the steps of a generation share; null: made for this call.</param>
    /// <returns>v <c>[B, 16, T, H, W]</c>, float32.</returns>
    /// <exception cref="ArgumentException">A shape does not fit the model.</exception>
    public Tensor Forward(
        Tensor x, Tensor timesteps, CrossContext context, Tensor? condition = null, CancellationToken cancellationToken = default,
        Observer? observe = null, RotaryEmbedding? rotary = null) =>
        Run(x, timesteps, context, condition, cancellationToken, observe, rotary, null);

    /// <summary>
    /// Predicts the velocity of a group of latent frames that sees itself and the finished frames before it: one step of a causal,
    /// streaming generation. Self-attention is dense, whatever the model's kind.
    /// </summary>
    /// <param name="x">Noisy latents of the group <c>[B, 16, t, H, W]</c>.</param>
    /// <param name="timesteps">t·1000, in [0, 1000], <c>[B]</c>.</param>
    /// <param name="context">From <see cref="PrepareContext"/> of this model.</param>
    /// <param name="cache">The finished frames.</param>
    /// <param name="keep">
    /// Whether the group is finished: its keys and values are then held. That is done once for a group, with its clean latents at time 0.
    /// </param>
    /// <param name="cancellationToken">Checked at each block. A cancelled call that keeps leaves the cache unusable.</param>
    /// <returns>v <c>[B, 16, t, H, W]</c>, float32.</returns>
    /// <remarks>Self Forcing, arXiv 2506.08009. <see cref="ForwardMasked"/> is the plain form.</remarks>
    public Tensor ForwardCausal(
        Tensor x, Tensor timesteps, CrossContext context, KeyValueCache cache, bool keep = false,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        using RotaryEmbedding rotary = Rotations(x.shape, cache.Frames);
        Tensor velocity = Run(x, timesteps, context, null, cancellationToken, null, rotary, block => cache.Attention(block, keep));
        if (keep) cache.Add(x.size(2) / WanConfig.PatchFrames);
        return velocity;
    }

    /// <summary>
    /// The plain form of <see cref="ForwardCausal"/>: all groups of a clip at once, each with a time of its own, and a mask over the whole
    /// sequence. With the clean latents of earlier groups at time 0, the last group's velocity is the same.
    /// </summary>
    /// <param name="x">Latents <c>[B, 16, T, H, W]</c>.</param>
    /// <param name="timesteps">t·1000, one for each token, <c>[B, L]</c>, or for each clip.</param>
    /// <param name="context">From <see cref="PrepareContext"/> of this model.</param>
    /// <param name="framesPerGroup">Latent frames of a group.</param>
    /// <param name="cancellationToken">Checked at each block.</param>
    /// <returns>v <c>[B, 16, T, H, W]</c>, float32.</returns>
    public Tensor ForwardMasked(
        Tensor x, Tensor timesteps, CrossContext context, int framesPerGroup, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(framesPerGroup);
        using Tensor mask = CausalMask.Of(x.size(2), framesPerGroup, Patches.Count(1, x.size(3), x.size(4)), _placement.Device);
        return Run(x, timesteps, context, null, cancellationToken, null, null, _ => CausalMask.Attention(mask));
    }

    private Tensor Run(
        Tensor x, Tensor timesteps, CrossContext context, Tensor? condition, CancellationToken cancellationToken, Observer? observe,
        RotaryEmbedding? rotary, Func<int, CausalAttention>? causal)
    {
        using var scope = NewDisposeScope();
        Tensor input = condition is null ? x : cat([x, condition.to(x.dtype, x.device)], dim: 1);
        CheckInput(input);
        (long frames, long height, long width) = (input.size(2), input.size(3), input.size(4));

        Tensor hidden = _patchEmbedding.call(Patches.From(input).to(_placement.Dtype, _placement.Device));
        observe?.Invoke("patch_embedding", () => hidden);
        TokenTimes times = CheckedTimes(timesteps, hidden.size(1));
        Tensor time = _timeEmbedding.call(times.Values);
        observe?.Invoke("time_embedding", () => time);
        Tensor projected = _timeProjection.call(time);
        observe?.Invoke("time_projection", () => projected.flatten(1));
        using RotaryEmbedding? own = rotary is null ? Rotations(input.shape) : null;
        RotaryEmbedding rotations = rotary ?? own!;
        if (rotations.Cosines.size(1) != hidden.size(1))
            throw new ArgumentException($"The rotations are those of {rotations.Cosines.size(1)} positions; the latents have "
                + $"{hidden.size(1)}.", nameof(rotary));
        observe?.Invoke("rotary", () => rotations.Cosines);

        for (int i = 0; i < _blocks.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Observer? observeBlock = observe is null ? null : Named(observe, i);
            WanBlock block = Block(i);
            Tensor next = RecomputesActivations && is_grad_enabled() && times.Rows is null && causal is null
                ? Recomputed(block, hidden, projected, context.Blocks[i], frames, height, width)
                : block.Forward(hidden, projected, context.Blocks[i], rotations, observeBlock, times, causal?.Invoke(i));
            hidden.Dispose();
            hidden = next;
            observe?.Invoke($"blocks.{i}", () => next);
        }

        Tensor patches = _head.Forward(hidden, time, times);
        observe?.Invoke("head", () => patches);
        return Patches.ToLatents(patches, Config.OutDim, frames, height, width).MoveToOuterDisposeScope();
    }

    /// <summary>The rotations of the positions of latents.</summary>
    /// <param name="latents">The latents' axes <c>[B, C, T, H, W]</c>.</param>
    /// <param name="firstFrame">The position of the first of the latent frames.</param>
    /// <returns>The caller disposes it.</returns>
    public RotaryEmbedding Rotations(long[] latents, long firstFrame = 0) => RotaryEmbedding.Create(Config.HeadDim,
        latents[2] / WanConfig.PatchFrames, latents[3] / WanConfig.PatchSize, latents[4] / WanConfig.PatchSize, _placement.Device,
        firstFrame);

    /// <summary>One block alone, as <see cref="Forward"/> runs it, on hidden states that may come from anywhere.</summary>
    /// <param name="block">Its number.</param>
    /// <param name="hidden">The block's input <c>[B, L, dim]</c>.</param>
    /// <param name="timesteps">t·1000, <c>[B]</c>.</param>
    /// <param name="context">From <see cref="PrepareContext"/> of this model.</param>
    /// <param name="latents">The latents' axes <c>[B, C, T, H, W]</c>, which say where the L tokens are.</param>
    /// <returns>The block's output <c>[B, L, dim]</c>.</returns>
    internal Tensor ForwardBlock(int block, Tensor hidden, Tensor timesteps, CrossContext context, long[] latents)
    {
        using var scope = NewDisposeScope();
        Tensor time = _timeProjection.call(_timeEmbedding.call(timesteps.to(_placement.Device)));
        using RotaryEmbedding rotary = Rotations(latents);
        return Block(block).Forward(hidden, time, context.Blocks[block], rotary).MoveToOuterDisposeScope();
    }

    /// <summary>The bytes of one block's weights, side by side.</summary>
    internal static long BlockBytes(WanConfig config, AttentionOptions attention, WeightFormat weights, ScalarType dtype)
    {
        using var shape = new WanBlock(config, attention, weights, new Placement(META, dtype));
        return WeightArena.BytesOf(shape);
    }

    /// <summary>Prepares a model that swaps its blocks for being run; does nothing to others.</summary>
    /// <param name="copies">Makes what copies, of a number of slots; null: the device's own.</param>
    /// <exception cref="EnvironmentException">The driver refuses.</exception>
    internal void BeginSwapping(Func<int, IPinnedCopies>? copies = null)
    {
        if (!SwapsBlocks) return;
        copies ??= slots => _placement.Device.type == TorchSharp.DeviceType.CUDA
            ? new PinnedCopies(_placement.Device, slots)
            : new HostCopies();
        _swap?.Dispose();
        _swap = new BlockSwap(_hostMemory, () => BlockInArena(_placement.Device), copies(BlockSwap.UsualSlots));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            // Before the memory that it copies from.
            _swap?.Dispose();
            _swap = null;
            foreach (WeightArena memory in _hostMemory) memory.Dispose();
        }
        base.Dispose(disposing);
    }

    private (WanBlock Block, WeightArena Memory) BlockInArena(Device device)
    {
        using var shape = new WanBlock(Config, Attention, Weights, new Placement(META, _placement.Dtype));
        var memory = new WeightArena(device, shape);
        var block = new WanBlock(Config, Attention, Weights, new Placement(device, _placement.Dtype) { Arena = memory });
        return memory.IsFull ? (block, memory) : throw new InvalidOperationException("A block has other weights than were counted.");
    }

    // A block where it can be run, until the next one is asked for.
    private WanBlock Block(int number) => !SwapsBlocks ? _blocks[number]
        : (_swap ?? throw new InvalidOperationException("The blocks are in host memory; BeginSwapping first.")).Enter(number);

    // The block makes its own rotations: those of the forward pass are gone when it runs again.
    private Tensor Recomputed(WanBlock block, Tensor x, Tensor time, CrossKeys context, long frames, long height, long width)
    {
        Tensor[] image = context.Image is { } given ? [given.Keys, given.Values] : [];
        return ActivationCheckpoint.Run(
            inputs =>
            {
                using RotaryEmbedding rotary = Rotations([1, Config.InDim, frames, height, width]);
                return block.Forward(inputs[0], inputs[1], new CrossKeys(new KeyValues(inputs[2], inputs[3]),
                    inputs.Length > 4 ? new KeyValues(inputs[4], inputs[5]) : null), rotary);
            },
            [x, time, context.Text.Keys, context.Text.Values, .. image]);
    }

    private static Observer Named(Observer observe, int block) =>
        (name, value) => observe($"blocks.{block}.{name}", value);

    private TokenTimes CheckedTimes(Tensor timesteps, long tokens) =>
        timesteps.dim() == 1 || timesteps.dim() == 2 && timesteps.size(1) == tokens
            ? TokenTimes.Of(timesteps.to(_placement.Device))
            : throw new ArgumentException($"The timesteps have the shape [{string.Join(", ", timesteps.shape)}]; give [B], or [B, "
                + $"{tokens}] with one for each token.");

    private void CheckInput(Tensor input)
    {
        if (input.dim() != 5 || input.size(1) != Config.InDim || input.size(3) % WanConfig.PatchSize != 0
            || input.size(4) % WanConfig.PatchSize != 0)
            throw new ArgumentException(
                $"The transformer got latents of shape [{string.Join(", ", input.shape)}]; it takes [B, {Config.InDim}, T, H, W] with H "
                    + "and W even" +
                (Config.IsImageToVideo ? ", 20 of the channels being the image condition." : "."));
    }
}
