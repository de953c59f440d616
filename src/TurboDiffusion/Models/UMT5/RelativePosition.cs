using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.UMT5;

/// <summary>
/// A learnt bias of the attention scores for each head and each bucket of relative position. umT5 has one such table
/// in every block, where T5 shares one among all.
/// </summary>
internal sealed class RelativePosition : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "embedding")]
    private readonly EmbeddingTable _embedding;

    public RelativePosition(UMT5Config config, Placement placement)
        : base(nameof(RelativePosition))
    {
        _embedding = new EmbeddingTable(config.NumBuckets, config.NumHeads, placement);
        RegisterComponents();
    }

    /// <summary>
    /// The bucket of each pair of positions, <c>[query, key]</c>, int64 on the CPU. Each direction has half of the
    /// buckets: half of these for the nearest positions, one each, the others spaced logarithmically up to
    /// <see cref="UMT5Config.MaxDistance"/>.
    /// </summary>
    /// <remarks>Computed on the CPU, in the reference's order of float32 operations, so that rounding puts a distance
    /// on the edge of two buckets into the same one on every device.</remarks>
    public static Tensor Buckets(long length, UMT5Config config)
    {
        using var scope = NewDisposeScope();
        long perDirection = config.NumBuckets / 2, exact = perDirection / 2;
        Tensor positions = arange(length, ScalarType.Int64);
        Tensor relative = positions.unsqueeze(0) - positions.unsqueeze(1);
        Tensor distance = relative.abs();
        Tensor far = exact + ((distance.to_type(ScalarType.Float32) / exact).log()
            / Math.Log((double)config.MaxDistance / exact) * (perDirection - exact)).to_type(ScalarType.Int64);
        Tensor bucket = where(distance < exact, distance, far.clamp_max(perDirection - 1));
        return (bucket + (relative > 0).to_type(ScalarType.Int64) * perDirection).MoveToOuterDisposeScope();
    }

    /// <summary>Buckets <c>[L, L]</c> → bias <c>[1, heads, L, L]</c>.</summary>
    public override Tensor forward(Tensor buckets)
    {
        using var scope = NewDisposeScope();
        return _embedding.forward(buckets).permute(2, 0, 1).unsqueeze(0).MoveToOuterDisposeScope();
    }
}
