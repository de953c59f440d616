using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Int8;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>
/// The transformers of a target, and the inputs of a step. Random weights are made where they are used, tensor by tensor; the same seed
/// gives the same in every number format: int8 ones are quantized as they are made. A model of files has its own, and reads a prompt.
/// </summary>
internal sealed class BenchmarkModel : IDisposable
{
    /// <summary>What a model of files reads.</summary>
    public const string Prompt = "a red circle bounces across a night sky";

    // Of a long prompt.
    private const int TextTokens = 77;

    // Of factors that are as large as the weights.
    private const double LoraStrength = 0.1;

    private readonly List<ModelSlot<WanModel>> _experts = [];
    private readonly BenchmarkTarget _target;
    private readonly VideoModel? _files;

    /// <summary>Makes the weights, or loads them.</summary>
    /// <param name="target">The model's dimensions and device.</param>
    /// <param name="attention">The self-attention.</param>
    /// <param name="weights">The number format.</param>
    /// <param name="experts">How many transformers.</param>
    /// <param name="seed">The seed of random weights and inputs.</param>
    /// <param name="cancellationToken">Checked before each tensor.</param>
    /// <param name="swapsBlocks">Whether the blocks' weights stay in host memory.</param>
    /// <exception cref="TurboDiffusionException">The files cannot be run so.</exception>
    public BenchmarkModel(
        BenchmarkTarget target, AttentionOptions attention, WeightFormat weights, int experts, ulong seed,
        CancellationToken cancellationToken, bool swapsBlocks = false)
    {
        _target = target;
        var placement = new Placement(target.Device, Devices.DefaultDtype(target.Device));
        Attention = attention.Kind;
        Weights = weights;
        try
        {
            _files = target.Files is { } files ? VideoModel.Open(files, new VideoModelOptions
            {
                Device = target.Device.ToString(),
                Attention = attention.Kind,
                TopKRatio = attention.TopKRatio,
                Weights = weights,
                Residency = swapsBlocks ? Residency.Swapped : Residency.Resident,
            }) : null;
            for (int i = 0; i < experts; i++)
            {
                int expert = i;
                _experts.Add(_files?.Components.Experts[expert] ?? new ModelSlot<WanModel>((_, stop) =>
                    Make(target, attention, weights, placement, seed + (ulong)expert, swapsBlocks, stop), keepLoaded: true));
                _experts[expert].Get(null, cancellationToken);
            }
            WanConfig config = target.Spec.Transformer;
            var noise = new PhiloxNoise(seed);
            long[] latents = target.LatentShape;
            Latents = Input(ScalarType.Float32, latents);
            Embedding = _files is null ? Text() : Encoded(_files.Components, cancellationToken);
            Images = new EncodedImages
            {
                Condition = config.IsImageToVideo ? Input(ScalarType.Float32, [1, config.InDim - config.OutDim, .. latents[2..]]) : null,
                Tokens = target.Spec.ImageEncoder is { } encoder && config.HasImageBranch
                    ? Input(placement.Dtype, 1, config.NeedsEndImage ? config.ImagePositions : encoder.Tokens, config.ImageDim) : null,
            };

            Tensor Text()
            {
                Tensor text = Input(placement.Dtype, 1, target.Spec.TextLength, config.TextDim);
                if (target.Spec.TextLength <= TextTokens) return text;
                using Tensor padding = text.narrow(1, TextTokens, target.Spec.TextLength - TextTokens);
                padding.zero_();
                return text;
            }

            Tensor Input(ScalarType dtype, params long[] shape)
            {
                using var scope = NewDisposeScope();
                return noise.Normal(shape).to(dtype, target.Device).DetachFromDisposeScope();
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The self-attention.</summary>
    public AttentionKind Attention { get; }

    /// <summary>The number format of the blocks' linear layers.</summary>
    public WeightFormat Weights { get; }

    /// <summary>Normal noise <c>[1, 16, T, H, W]</c>, float32.</summary>
    public Tensor Latents { get; private set; } = null!;

    /// <summary>A text's embedding <c>[1, 512, text dim]</c>: of 77 tokens, padded with zeros, as a prompt's is.</summary>
    public Tensor Embedding { get; private set; } = null!;

    /// <summary>Image to video: the condition <c>[1, 20, T, H, W]</c> and the image encoder's tokens.</summary>
    public EncodedImages Images { get; private set; } = new();

    /// <summary>How many transformers are in memory.</summary>
    public int Experts => _experts.Count;

    /// <summary>The first transformer.</summary>
    public WanModel First => _experts[0].Get();

    /// <summary>The text, and the image, as the first transformer's blocks see them.</summary>
    /// <param name="cancellationToken">Checked at each block.</param>
    public CrossContext PrepareContext(CancellationToken cancellationToken) =>
        First.PrepareContext(Embedding, Images.Tokens, cancellationToken);

    /// <summary>What a generation calls at each step, without guidance.</summary>
    public Denoiser Denoiser() => new(_experts, _target.Spec.Boundary ?? 0, Embedding, images: Images);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ModelSlot<WanModel> expert in _experts) expert.Dispose();
        _files?.Dispose();
        Latents?.Dispose();
        Embedding?.Dispose();
        Images.Condition?.Dispose();
        Images.Tokens?.Dispose();
    }

    private static Tensor Encoded(WanComponents components, CancellationToken cancellationToken)
    {
        Tensor embedding = PromptEncoding.Encode([Prompt], components.Tokenizer, components.TextEncoder.Get(null, cancellationToken),
            components.Device, cancellationToken).DetachFromDisposeScope();
        // What a step takes is measured; this has no part in it.
        components.TextEncoder.Dispose();
        return embedding;
    }

    private static WanModel Make(
        BenchmarkTarget target, AttentionOptions attention, WeightFormat weights, Placement placement, ulong seed, bool swapsBlocks,
        CancellationToken cancellationToken)
    {
        WanConfig config = target.Spec.Transformer;
        // Names and shapes without memory.
        using var shape = new WanModel(config, attention, WeightFormat.Float, Placement.Meta);
        using var random = new RandomCheckpoint(shape, seed, placement.Dtype, WanCheckpoint.Metadata(config)) { Device = placement.Device };
        if (target.LoraRank is not { } rank)
            return WanCheckpoint.Load(random, attention, weights, placement, null, cancellationToken, swapsBlocks);
        foreach ((string name, nn.Module module) in shape.named_modules().ToArray())
            if (module is LinearLayer layer && WanCheckpoint.Int8Layers.Of($"{name}.{Int8Layers.Weight}", Int8Layers.Weight) is not null)
                layer.AddFactors(rank, rank);
        using var lora = LoraFile.Of(new Factors(new RandomCheckpoint(shape, seed, placement.Dtype) { Device = placement.Device }));
        var merged = new LoraCheckpoint(random, [(lora, LoraStrength)]) { Device = placement.Device };
        return WanCheckpoint.Load(merged, attention, weights, placement, null, cancellationToken, swapsBlocks);
    }

    private sealed class Factors(ICheckpoint inner) : CheckpointView(inner)
    {
        public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; } = ByName(inner.Tensors.Values.Where(t =>
            t.Name.Contains($".{LowRankFactors.DownName}.", StringComparison.Ordinal)
                || t.Name.Contains($".{LowRankFactors.UpName}.", StringComparison.Ordinal)));

        public override Tensor Read(string name) => Inner.Read(name);
    }
}
