using System.Globalization;
using System.Text.RegularExpressions;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Int8;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Models.UMT5;

/// <summary>The sizes of an umT5 encoder. Checked at construction.</summary>
/// <remarks>arXiv 2304.09151 (umT5); thu-ml/TurboDiffusion aaecff5, turbodiffusion/rcm/utils/umt5.py, <c>umt5_xxl</c>.</remarks>
public sealed partial record UMT5Config
{
    // No real model comes near; larger claims of a file are refused before anything is sized by them.
    private const long MaxSize = 1 << 24;
    private const long MaxLayers = 512;

    /// <summary>Creates the configuration.</summary>
    /// <param name="vocab">Number of token ids.</param>
    /// <param name="dim">Width of the hidden states.</param>
    /// <param name="dimAttn">Width of all attention heads together.</param>
    /// <param name="dimFfn">Width inside the feed-forward layer.</param>
    /// <param name="numHeads">Attention heads; divides <paramref name="dimAttn"/>.</param>
    /// <param name="numLayers">Blocks.</param>
    /// <param name="numBuckets">Relative-position buckets per head; even, at least 4.</param>
    /// <param name="maxDistance">The distance, in tokens, from which on all positions share the last bucket.</param>
    /// <exception cref="InvalidRequestException">A size is not possible.</exception>
    public UMT5Config(
        long vocab, long dim, long dimAttn, long dimFfn, long numHeads, long numLayers,
        long numBuckets = 32, long maxDistance = 128)
    {
        (Vocab, Dim, DimAttn, DimFfn) = (Positive(vocab), Positive(dim), Positive(dimAttn), Positive(dimFfn));
        (NumHeads, NumLayers) = (Positive(numHeads), Positive(numLayers));
        (NumBuckets, MaxDistance) = (numBuckets, maxDistance);
        if (numLayers > MaxLayers)
            throw new InvalidRequestException(nameof(numLayers),
                $"numLayers is {numLayers}; expected at most {MaxLayers}.");
        if (dimAttn % numHeads != 0)
            throw new InvalidRequestException(nameof(dimAttn),
                $"The attention width {dimAttn} is not divisible by {numHeads} heads.");
        if (numBuckets < 4 || numBuckets % 2 != 0)
            throw new InvalidRequestException(nameof(numBuckets),
                $"{numBuckets} relative-position buckets; expected an even number of at least 4.");
        if (maxDistance <= numBuckets / 4)
            throw new InvalidRequestException(nameof(maxDistance),
                $"The maximum distance {maxDistance} is within the {numBuckets / 4} exact buckets.");
    }

    /// <summary>umT5-xxl, the text encoder of every Wan model: 5.7 billion parameters.</summary>
    public static UMT5Config Xxl { get; } = new(256384, 4096, 4096, 10240, numHeads: 64, numLayers: 24);

    /// <summary>Number of token ids.</summary>
    public long Vocab { get; }

    /// <summary>Width of the hidden states.</summary>
    public long Dim { get; }

    /// <summary>Width of all attention heads together.</summary>
    public long DimAttn { get; }

    /// <summary>Width inside the feed-forward layer.</summary>
    public long DimFfn { get; }

    /// <summary>Number of attention heads.</summary>
    public long NumHeads { get; }

    /// <summary>Number of blocks.</summary>
    public long NumLayers { get; }

    /// <summary>Relative-position buckets per head, half of them for keys to the right.</summary>
    public long NumBuckets { get; }

    /// <summary>The distance, in tokens, from which on all positions share the last bucket.</summary>
    public long MaxDistance { get; }

    /// <summary>ε of the RMS norms.</summary>
    public double Eps => 1e-6;

    /// <summary>Width of one attention head.</summary>
    public long HeadDim => DimAttn / NumHeads;

    /// <summary>Reads the sizes off the shapes of a checkpoint's tensors; its data is not touched.</summary>
    /// <param name="checkpoint">
    /// A checkpoint with the official names (<c>token_embedding.weight</c>, <c>blocks.0.attn.q.weight</c>, …), in any number format.
    /// </param>
    /// <exception cref="CheckpointException">It is not an umT5 encoder.</exception>
    public static UMT5Config FromCheckpoint(ICheckpoint checkpoint)
    {
        bool isInt8 = UMT5Checkpoint.Int8Layers.FormatOf(checkpoint) == WeightFormat.Int8;
        IReadOnlyList<long> embedding = Matrix("token_embedding.weight"), query = Linear("blocks.0.attn.q"),
            ffn = Linear("blocks.0.ffn.fc1"), positions = Matrix("blocks.0.pos_embedding.embedding.weight");
        long layers = 1 + checkpoint.Tensors.Keys
            .Select(k => BlockNumber().Match(k))
            .Where(m => m.Success)
            .Max(m => long.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture));
        try
        {
            return new UMT5Config(embedding[0], embedding[1], query[0], ffn[0], positions[1], layers, positions[0]);
        }
        catch (InvalidRequestException e)
        {
            throw new CheckpointException(checkpoint.Path, $"is not a usable umT5 encoder: {e.Message}", e);
        }

        IReadOnlyList<long> Linear(string layer) => Matrix($"{layer}.{(isInt8 ? Int8Layers.Int8Weight : Int8Layers.Weight)}");

        IReadOnlyList<long> Matrix(string name) =>
            checkpoint.Tensors.TryGetValue(name, out TensorInfo? info) && info.Shape.Count == 2
                ? info.Shape
                : throw new CheckpointException(checkpoint.Path,
                    $"is not an umT5 encoder: {(info is null ? $"it has no tensor '{name}'" : $"'{name}' is {info}, not a matrix")}. Use "
                        + "models_t5_umt5-xxl-enc-bf16.pth or a conversion of it.");
    }

    private static long Positive(long value, [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(value))] string name = "") =>
        value is > 0 and <= MaxSize ? value : throw new InvalidRequestException(name, $"{name} is {value}; expected 1 to {MaxSize}.");

    [GeneratedRegex(@"^blocks\.([0-9]{1,6})\.", RegexOptions.CultureInvariant)]
    private static partial Regex BlockNumber();
}
