using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>
/// The velocity of one generation: picks the expert by the noise level, applies guidance, adds the image condition, and
/// prepares text and image once per expert.
/// </summary>
public sealed class Denoiser : IDisposable
{
    private readonly IReadOnlyList<ModelSlot<WanModel>> _experts;
    private readonly double _boundary;
    private readonly Tensor _embedding;
    private readonly Tensor? _negativeEmbedding;
    private readonly GuidanceScale _guidanceScale;
    private readonly EncodedImages _images;
    private readonly Action<ModelSlot<WanModel>>? _loading;
    private int _current = -1;
    private CrossContext? _context;
    private CrossContext? _negativeContext;
    private RotaryEmbedding? _rotations;

    // Of the expert that serves.
    private double Guidance => _guidanceScale.Of(_current);

    /// <summary>Begins a generation. The tensors stay the caller's and must outlive it.</summary>
    /// <param name="experts">One transformer, or two: high noise, then low noise.</param>
    /// <param name="boundary">With two, the noise level in [0, 1] down to which the first serves.</param>
    /// <param name="embedding">The prompt, <c>[1, S, text dim]</c>.</param>
    /// <param name="negativeEmbedding">The negative prompt, likewise; needed where the guidance is not 1.</param>
    /// <param name="guidanceScale">Classifier-free guidance of each expert; null: none.</param>
    /// <param name="images">Image to video: from <see cref="ClipStages.EncodeImages"/>; null: there are none.</param>
    /// <param name="loading">Called before an expert is used that is not loaded; it may load it, with progress.</param>
    public Denoiser(
        IReadOnlyList<ModelSlot<WanModel>> experts, double boundary, Tensor embedding, Tensor? negativeEmbedding = null,
        GuidanceScale? guidanceScale = null, EncodedImages? images = null, Action<ModelSlot<WanModel>>? loading = null)
    {
        _guidanceScale = guidanceScale ?? GuidanceScale.None;
        if (!_guidanceScale.IsNone && negativeEmbedding is null)
            throw new ArgumentException("Guidance needs the embedding of a negative prompt.", nameof(negativeEmbedding));
        (_experts, _boundary, _embedding, _negativeEmbedding, _images, _loading) =
            (experts, boundary, embedding, negativeEmbedding, images ?? new EncodedImages(), loading);
    }

    /// <summary>The expert that serves a noise level: the first while it is at or above the boundary.</summary>
    /// <param name="noiseLevel">t in [0, 1].</param>
    /// <param name="boundary">The noise level of the switch.</param>
    /// <param name="experts">How many experts there are.</param>
    public static int ExpertFor(double noiseLevel, double boundary, int experts) => experts == 1 || noiseLevel >= boundary ? 0 : 1;

    /// <summary>The velocity at a state: a <see cref="Sampling.VelocityFunction"/>.</summary>
    /// <param name="x">Noisy latents <c>[1, 16, T, H, W]</c>.</param>
    /// <param name="timestep">Noise level times 1000.</param>
    /// <param name="step">Not used: experts depend on the noise level alone.</param>
    /// <param name="cancellationToken">Checked at each block.</param>
    /// <returns>v, float32, shape of <paramref name="x"/>.</returns>
    public Tensor Velocity(Tensor x, double timestep, int step, CancellationToken cancellationToken)
    {
        WanModel model = Select(timestep, cancellationToken);
        using var scope = NewDisposeScope();
        Tensor input = WithFirstFrame(x.to_type(ScalarType.Float32)), t = Timesteps(input, timestep);
        // Every step has the same positions, and so has the other expert.
        _rotations ??= model.Rotations(input.shape);
        Tensor velocity = model.Forward(input, t, _context!, _images.Condition, cancellationToken, rotary: _rotations);
        if (Guidance != 1)
        {
            Tensor negative = model.Forward(input, t, _negativeContext!, _images.Condition, cancellationToken, rotary: _rotations);
            velocity = negative + Guidance * (velocity - negative);
        }
        return velocity.MoveToOuterDisposeScope();
    }

    /// <summary>Latents with the given first frame in its place; the latents themselves where none is given.</summary>
    /// <param name="latents"><c>[B, C, T, H, W]</c></param>
    public Tensor WithFirstFrame(Tensor latents) => _images.FirstFrame is null ? latents
        : cat([_images.FirstFrame.to(latents.dtype, latents.device), latents.narrow(2, 1, latents.size(2) - 1)], dim: 2);

    // One for each clip; with a clean first frame, one for each token, frame by frame.
    private Tensor Timesteps(Tensor latents, double timestep)
    {
        Tensor ofClips = full([latents.size(0)], timestep, ScalarType.Float32, latents.device);
        if (_images.FirstFrame is null) return ofClips;
        long tokens = Patches.Count(latents.shape), first = tokens / latents.size(2);
        Tensor ofTokens = ofClips.unsqueeze(1).repeat(1, tokens);
        ofTokens.narrow(1, 0, first).zero_();
        return ofTokens;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Leave();
        _rotations?.Dispose();
        _rotations = null;
    }

    /// <summary>
    /// The expert of a noise level, loaded, with text and image prepared for it. Where every expert stays loaded, nothing is moved.
    /// </summary>
    /// <param name="timestep">Noise level times 1000.</param>
    /// <param name="cancellationToken">Checked at each block.</param>
    internal WanModel Select(double timestep, CancellationToken cancellationToken)
    {
        int expert = ExpertFor(timestep / 1000, _boundary, _experts.Count);
        ModelSlot<WanModel> slot = _experts[expert];
        if (expert == _current) return slot.Get(null, cancellationToken);
        Leave();
        if (!slot.IsLoaded) _loading?.Invoke(slot);
        WanModel model = slot.Get(null, cancellationToken);
        _current = expert;
        // Kept across steps, so outside the step's dispose scope; freed with this object.
        _context = Prepare(model, _embedding, cancellationToken);
        if (Guidance != 1) _negativeContext = Prepare(model, _negativeEmbedding!, cancellationToken);
        return model;
    }

    private CrossContext Prepare(WanModel model, Tensor embedding, CancellationToken cancellationToken)
    {
        CrossContext context = model.PrepareContext(embedding, _images.Tokens, cancellationToken);
        context.DetachFromDisposeScope();
        return context;
    }

    // The expert that served.
    private void Leave()
    {
        _context?.Dispose();
        _negativeContext?.Dispose();
        _context = _negativeContext = null;
        if (_current >= 0) _experts[_current].Release();
        _current = -1;
    }
}
