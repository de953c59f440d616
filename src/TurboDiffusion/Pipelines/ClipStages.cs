using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>
/// The stages of every generation, for a batch of clips: encode the text (and the image), draw noise and denoise it, decode. A
/// model is loaded where its stage begins, if it is not, and released where it ends. Prompt and seed of a clip give the same
/// clip in any batch, up to rounding.
/// </summary>
public sealed class ClipStages
{
    private readonly WanComponents _components;
    private readonly ClipSettings _settings;

    /// <summary>Checks the settings.</summary>
    /// <param name="components">The models; they stay the caller's.</param>
    /// <param name="settings">Size and sampling.</param>
    /// <exception cref="InvalidRequestException">These models cannot make such clips, or the sampler not with such settings.</exception>
    public ClipStages(WanComponents components, ClipSettings settings)
    {
        settings.CheckFor(components);
        (_components, _settings, Sampler) = (components, settings, settings.Sampler.Create());
    }

    /// <summary>The sampler.</summary>
    public ISampler Sampler { get; }

    /// <summary>Encodes prompts and, with guidance, the negative prompt.</summary>
    /// <param name="prompts">What the clips show.</param>
    /// <param name="cancellationToken">Checked at each block.</param>
    /// <returns>The embeddings; the caller's dispose scope owns them.</returns>
    public PromptEmbeddings EncodeText(IReadOnlyList<string> prompts, CancellationToken cancellationToken = default)
    {
        using var scope = NewDisposeScope();
        bool guided = !_settings.GuidanceScale.IsNone;
        ITextEncoder encoder = _components.TextEncoder.Get(null, cancellationToken);
        Tensor all = PromptEncoding.Encode(
            guided ? [.. prompts, _settings.NegativePrompt] : prompts, _components.Tokenizer, encoder, _components.Device,
            cancellationToken);
        _components.TextEncoder.Release();
        return new PromptEmbeddings(all.narrow(0, 0, prompts.Count).MoveToOuterDisposeScope(),
            guided ? all.narrow(0, prompts.Count, 1).MoveToOuterDisposeScope() : null);
    }

    /// <summary>Image to video: encodes the start image of all clips, and the end image where one is given.</summary>
    /// <param name="image">The first frame, <c>[3, height, width]</c> in [−1, 1], on any device.</param>
    /// <param name="endImage">The last frame, likewise; null: not given.</param>
    /// <param name="seenImages">What an image encoder sees of them: <see cref="PipelineRequest.SeenImages"/>; null: the frames.</param>
    /// <param name="cancellationToken">Checked at each layer.</param>
    /// <returns>What the transformer takes of them; the caller's dispose scope owns it.</returns>
    public EncodedImages EncodeImages(
        Tensor image, Tensor? endImage = null, Tensor? seenImages = null, CancellationToken cancellationToken = default)
    {
        using var scope = NewDisposeScope();
        IVideoAutoencoder vae = _components.Vae.Get(null, cancellationToken);
        EncodedImages encoded = _components.TransformerConfig.TakesFirstFrame
            ? new() { FirstFrame = ImageCondition.EncodeFirstFrame(vae, image, _components.Device, cancellationToken) }
            : new() { Condition = ImageCondition.Encode(vae, image, _settings.Frames, _components.Device, endImage, cancellationToken) };
        _components.Vae.Release();
        if (_components.ImageEncoder is { } slot)
        {
            Tensor seen = seenImages ?? ImageCondition.Given(image, endImage);
            encoded = encoded with { Tokens = ImageCondition.Tokens(slot.Get(null, cancellationToken), seen, cancellationToken) };
            slot.Release();
        }
        return encoded.MoveToOuterDisposeScope();
    }

    /// <summary>Draws noise and denoises it.</summary>
    /// <param name="text">The embeddings of B prompts.</param>
    /// <param name="seeds">The seeds of the B clips' noise.</param>
    /// <param name="images">Image to video: from <see cref="EncodeImages"/>.</param>
    /// <param name="loading">Called before an expert is used that is not loaded; it may load it, with progress.</param>
    /// <param name="progress">Told before the first step and after every step.</param>
    /// <param name="cancellationToken">Checked at each block.</param>
    /// <param name="watch">Told of the clean latents that each step predicts; changes nothing of the result.</param>
    /// <returns>Clean latents, <c>[B, C, T, H, W]</c>, float64.</returns>
    public Tensor Denoise(
        PromptEmbeddings text, IReadOnlyList<ulong> seeds, EncodedImages? images = null, Action<ModelSlot<WanModel>>? loading = null,
        IProgress<DenoisingProgress>? progress = null, CancellationToken cancellationToken = default, EstimateObserver? watch = null)
    {
        using var scope = NewDisposeScope();
        int batch = seeds.Count;
        using var denoiser = new Denoiser(_components.Experts, _components.Boundary, text.Prompts,
            text.Negative?.expand(batch, -1, -1).contiguous(),
            _settings.GuidanceScale, images?.For(batch), loading);
        var noise = new BatchNoise([.. seeds.Select(seed => new PhiloxNoise(seed))]);
        Tensor start = noise.Normal(_components.VaeConfig.LatentShape(batch, _settings.Frames, _settings.Height, _settings.Width)).to(
            _components.Device);
        using var ahead = new NoiseAhead(noise, Sampler.FreshNoises, start.shape, _components.Device);
        Tensor latents = DenoisingLoop.Run(Sampler, start, denoiser.Velocity, ahead, progress, cancellationToken,
            watch is null ? null : (step, estimate) => watch(step, denoiser.WithFirstFrame(estimate)));
        return denoiser.WithFirstFrame(latents).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Denoises group after group of latent frames, each seeing the finished ones before it, as they are asked for: text to video with one
    /// transformer, without guidance.
    /// </summary>
    /// <param name="text">The embeddings of B prompts.</param>
    /// <param name="seeds">The seeds of the B clips' noise.</param>
    /// <param name="framesPerGroup">Latent frames of a group; the last one may have fewer.</param>
    /// <param name="denoising">Called where a group begins; what it gives is disposed where the group is done.</param>
    /// <param name="progress">Told before the first step of a group and after every step.</param>
    /// <param name="cancellationToken">Checked at each block.</param>
    /// <returns>Clean latents of the groups in order, <c>[B, C, t, H, W]</c>, float32; each lives until the next is asked for.</returns>
    public IEnumerable<Tensor> DenoiseCausally(
        PromptEmbeddings text, IReadOnlyList<ulong> seeds, int framesPerGroup, Func<IDisposable?>? denoising = null,
        IProgress<DenoisingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        WanModel model = _components.Experts[0].Get(null, cancellationToken);
        var noise = new BatchNoise([.. seeds.Select(seed => new PhiloxNoise(seed))]);
        using var cache = new KeyValueCache();
        // An iterator keeps no dispose scope open while others run: what it holds is detached, and disposed here.
        using Tensor start = noise.Normal(_components.VaeConfig.LatentShape(seeds.Count, _settings.Frames, _settings.Height,
            _settings.Width)).DetachFromDisposeScope();
        using CrossContext context = model.PrepareContext(text.Prompts, null, cancellationToken);
        context.DetachFromDisposeScope();
        for (long first = 0; first < start.size(2); first += framesPerGroup)
        {
            using Tensor group = DenoiseGroup(first);
            yield return group;
        }
        _components.Experts[0].Release();

        Tensor DenoiseGroup(long first)
        {
            using IDisposable? stage = denoising?.Invoke();
            using IDisposable noGradient = no_grad();
            using var scope = NewDisposeScope();
            Tensor of = start.narrow(2, first, Math.Min(framesPerGroup, start.size(2) - first)).contiguous().to(_components.Device);
            Tensor Times(double timestep) => full([of.size(0)], timestep, ScalarType.Float32, of.device);
            Tensor clean = DenoisingLoop.Run(Sampler, of, (x, timestep, _, cancelled) =>
                model.ForwardCausal(x.to_type(ScalarType.Float32), Times(timestep), context, cache, cancellationToken: cancelled),
                noise, progress, cancellationToken).to_type(ScalarType.Float32);
            // The last group's keys serve nobody.
            if (first + framesPerGroup < start.size(2))
                model.ForwardCausal(clean, Times(0), context, cache, keep: true, cancellationToken);
            return clean.DetachFromDisposeScope();
        }
    }

    /// <summary>Decodes latents that come in groups, as the frames are asked for.</summary>
    /// <param name="groups">From <see cref="DenoiseCausally"/>.</param>
    /// <param name="cancellationToken">Checked at each layer.</param>
    /// <returns>As <see cref="Decode"/>.</returns>
    public IEnumerable<Tensor> DecodeGroups(IEnumerable<Tensor> groups, CancellationToken cancellationToken = default)
    {
        IVideoAutoencoder vae = _components.Vae.Get(null, cancellationToken);
        foreach (Tensor frames in vae.DecodeGroups(groups, cancellationToken)) yield return frames;
        _components.Vae.Release();
    }

    /// <summary>Decodes latents as the frames are asked for.</summary>
    /// <param name="latents"><c>[B, C, T, H, W]</c>.</param>
    /// <param name="cancellationToken">Checked at each layer.</param>
    /// <returns>Frames in order, <c>[B, 3, t, H, W]</c>, about [−1, 1]; each is the caller's, to be disposed before the next.</returns>
    public IEnumerable<Tensor> Decode(Tensor latents, CancellationToken cancellationToken = default)
    {
        IVideoAutoencoder vae = _components.Vae.Get(null, cancellationToken);
        foreach (Tensor frames in vae.DecodeChunks(latents, cancellationToken)) yield return frames;
        _components.Vae.Release();
    }
}
