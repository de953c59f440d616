using System.Globalization;
using System.Text.RegularExpressions;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Int8;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>A Wan transformer from a checkpoint, in whichever attention kind and weight format is asked for.</summary>
public static partial class WanCheckpoint
{
    /// <summary>The metadata key under which our own files name their head count, which shapes do not show.</summary>
    public const string HeadsMetadata = "turbodiffusion.num_heads";

    /// <summary>The linear layers of the blocks: those that <see cref="WanBlock"/> makes in the weight format.</summary>
    public static Int8Layers Int8Layers { get; } = new(BlockLinear(), Int8Scaling.Blocks);

    // Of every published model; used where neither the projection nor the metadata says otherwise.
    private const int PublishedHeadDim = 128;

    /// <summary>The dimensions, from the shapes.</summary>
    /// <param name="checkpoint">A checkpoint with the official names.</param>
    /// <exception cref="CheckpointException">It is not a Wan transformer.</exception>
    public static WanConfig ReadConfig(ICheckpoint checkpoint)
    {
        int Size(string name, int rank, int axis) =>
            checkpoint.Tensors.TryGetValue(name, out TensorInfo? info) && info.Shape.Count == rank && info.Shape[axis] <= int.MaxValue
                ? (int)info.Shape[axis]
                : throw new CheckpointException(checkpoint.Path,
                    "is not a Wan transformer: "
                        + $"{(info is null ? $"it has no tensor '{name}'" : $"'{name}' is {info}, not of rank {rank}")}");

        bool Has(string name) => checkpoint.Tensors.ContainsKey(name);

        int dim = Size("patch_embedding.weight", 2, 0);
        const int patch = WanConfig.PatchFrames * WanConfig.PatchSize * WanConfig.PatchSize;
        int layers = checkpoint.Tensors.Keys.Select(k => BlockNumber().Match(k)).Where(m => m.Success)
            .Select(m => int.Parse(m.Groups[1].ValueSpan, CultureInfo.InvariantCulture) + 1).DefaultIfEmpty(0).Max();
        try
        {
            return new WanConfig(dim, Size("blocks.0.ffn.0.bias", 1, 0), dim / HeadDim(checkpoint, dim), layers,
                Size("patch_embedding.weight", 2, 1) / patch, Size("head.head.weight", 2, 0) / patch,
                Size("text_embedding.0.weight", 2, 1), Size("time_embedding.0.weight", 2, 1),
                imageDim: Has("img_emb.proj.0.weight") ? Size("img_emb.proj.0.weight", 1, 0) : 0,
                imagePositions: Has("img_emb.emb_pos") ? Size("img_emb.emb_pos", 3, 1) : 0);
        }
        catch (InvalidRequestException e)
        {
            throw new CheckpointException(checkpoint.Path, $"is not a usable Wan transformer: {e.Message}", e);
        }
    }

    /// <summary>Shows a checkpoint in the variant that a model of these settings has.</summary>
    /// <param name="checkpoint">A checkpoint with the official names; the result owns it.</param>
    /// <param name="config">Its dimensions.</param>
    /// <param name="attention">
    /// The attention to run. Sparse kinds add a projection of zeros where there is none, the others leave it out.
    /// </param>
    /// <param name="weights">
    /// The number format to run: float weights are quantized, int8 ones dequantized, where the file has the other.
    /// </param>
    public static ICheckpoint As(ICheckpoint checkpoint, WanConfig config, AttentionOptions attention, WeightFormat weights) =>
        As(checkpoint, config, attention, weights, null);

    private static ICheckpoint As(ICheckpoint checkpoint, WanConfig config, AttentionOptions attention, WeightFormat weights,
        Device? quantizeOn)
    {
        WanVariant variant = WanVariant.Of(checkpoint);
        bool needsProjection = attention.IsSparse;
        ICheckpoint view = checkpoint;
        if (variant.HasProjection != needsProjection) view = new ProjectionView(view, config, needsProjection);
        return Int8Layers.As(view, weights, quantizeOn);
    }

    /// <summary>
    /// The metadata to write beside a transformer's tensors: what there is, and its head count, which shapes do not show.
    /// </summary>
    /// <param name="config">Its dimensions.</param>
    /// <param name="metadata">What there is, such as that of the checkpoint that it comes from.</param>
    public static Dictionary<string, string> Metadata(WanConfig config, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        return new(metadata ?? new Dictionary<string, string>())
        {
            [HeadsMetadata] = config.NumHeads.ToString(CultureInfo.InvariantCulture),
        };
    }

    /// <summary>Loads the transformer.</summary>
    /// <param name="checkpoint">A checkpoint with the official names, in any variant; stays the caller's.</param>
    /// <param name="attention">The attention to run.</param>
    /// <param name="weights">The number format to run.</param>
    /// <param name="placement">Device and dtype.</param>
    /// <param name="progress">Told how many tensors of how many are loaded.</param>
    /// <param name="cancellationToken">Checked before each tensor.</param>
    /// <param name="swapsBlocks">
    /// Whether the blocks' weights stay in pinned host memory, from where each is copied to the device while the one before it runs: the
    /// device then holds two blocks in place of all.
    /// </param>
    /// <exception cref="CheckpointException">It does not hold the tensors of such a model.</exception>
    public static WanModel Load(
        ICheckpoint checkpoint, AttentionOptions attention, WeightFormat weights, Placement placement,
        IProgress<(int Done, int Total)>? progress = null, CancellationToken cancellationToken = default, bool swapsBlocks = false)
    {
        WanConfig config = ReadConfig(checkpoint);
        var model = new WanModel(config, attention, weights, placement, swapsBlocks);
        try
        {
            StrictLoader.Load(model, As(checkpoint, config, attention, weights, placement.Device), progress, cancellationToken);
            model.BeginSwapping();
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The name of a block's projection tensor.</summary>
    /// <param name="block">The block.</param>
    /// <param name="part"><c>weight</c> or <c>bias</c>.</param>
    internal static string Projection(int block, string part) => $"blocks.{block}.self_attn.attn_op.local_attn.proj_l.{part}";

    private static int HeadDim(ICheckpoint checkpoint, int dim)
    {
        if (checkpoint.Tensors.TryGetValue(Projection(0, "bias"), out TensorInfo? projection)
            && projection.Shape is [> 0 and <= int.MaxValue])
            return (int)projection.Shape[0];
        if (checkpoint.Metadata.TryGetValue(HeadsMetadata, out string? text)
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int heads)
            && heads > 0 && dim % heads == 0)
            return dim / heads;
        return dim % PublishedHeadDim == 0 ? PublishedHeadDim
            : throw new CheckpointException(checkpoint.Path,
                $"does not say how many heads its width of {dim} has: it has no SLA projection, no metadata '{HeadsMetadata}', and {dim} "
                    + $"is no multiple of {PublishedHeadDim}");
    }

    [GeneratedRegex(@"^blocks\.[0-9]+\.(self_attn\.[qkvo]|cross_attn\.([qkvo]|[kv]_img)|ffn\.[02])$", RegexOptions.CultureInvariant)]
    private static partial Regex BlockLinear();

    [GeneratedRegex(@"^blocks\.([0-9]{1,6})\.", RegexOptions.CultureInvariant)]
    private static partial Regex BlockNumber();
}
