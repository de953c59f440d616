using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// Chooses, per head and query block, the key blocks that the sparse branch attends to: mean-pool q and (k − its mean)
/// over their blocks, score = pooled q · pooled kᵀ, keep the highest.
/// </summary>
/// <remarks>arXiv 2509.24006, section 3; TurboDiffusion aaecff5, <c>SLA/utils.py get_block_map</c>.</remarks>
public static class BlockSelection
{
    /// <summary>The kept key blocks.</summary>
    /// <param name="q">Queries <c>[B, L, H, D]</c>.</param>
    /// <param name="k">Keys <c>[B, L, H, D]</c>.</param>
    /// <param name="options">Block sizes and ratio.</param>
    /// <returns>Indices of key blocks <c>[B, H, query blocks, kept]</c>, int64, ascending.</returns>
    public static Tensor Select(Tensor q, Tensor k, AttentionOptions options)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor centred = k - k.mean([1], keepdim: true);
        return Choose(MeanPool(q, options.QueryBlock), MeanPool(centred, options.KeyBlock), options).MoveToOuterDisposeScope();
    }

    /// <summary>The key blocks of the highest scores, pooled q · pooled kᵀ.</summary>
    /// <param name="pooledQ">The means of the query blocks <c>[B, H, query blocks, D]</c>.</param>
    /// <param name="pooledK">The means of the key blocks <c>[B, H, key blocks, D]</c>, less that of all keys.</param>
    /// <param name="options">The ratio.</param>
    /// <returns>Indices of key blocks <c>[B, H, query blocks, kept]</c>, int64, ascending.</returns>
    internal static Tensor Choose(Tensor pooledQ, Tensor pooledK, AttentionOptions options)
    {
        using var scope = NewDisposeScope();
        return Highest(Scores(pooledQ, pooledK), options.KeptBlocks((int)pooledK.size(2))).MoveToOuterDisposeScope();
    }

    /// <summary>Pooled q · pooled kᵀ.</summary>
    /// <param name="pooledQ"><c>[B, H, query blocks, D]</c></param>
    /// <param name="pooledK"><c>[B, H, key blocks, D]</c></param>
    /// <returns><c>[B, H, query blocks, key blocks]</c> in their dtype, summed in float32.</returns>
    internal static Tensor Scores(Tensor pooledQ, Tensor pooledK)
    {
        using var scope = NewDisposeScope();
        return pooledQ.to_type(ScalarType.Float32).matmul(pooledK.to_type(ScalarType.Float32).transpose(-1, -2)).to_type(pooledQ.dtype)
            .MoveToOuterDisposeScope();
    }

    /// <summary>The indices of each row's highest scores; of equal scores the earlier.</summary>
    /// <param name="scores"><c>[…, n]</c></param>
    /// <param name="count">How many.</param>
    /// <returns>int64 <c>[…, count]</c>, ascending.</returns>
    internal static Tensor Highest(Tensor scores, int count)
    {
        using var scope = NewDisposeScope();
        Tensor order = scores.sort(-1, descending: true, stable: true).Indices;
        return order.narrow(-1, 0, count).sort(-1).Values.MoveToOuterDisposeScope();
    }

    /// <summary>All key blocks, as a choice.</summary>
    /// <param name="batch">Sequences.</param>
    /// <param name="heads">Heads.</param>
    /// <param name="length">Tokens of a sequence.</param>
    /// <param name="options">Block sizes.</param>
    /// <param name="dtype">Of the indices.</param>
    /// <param name="device">Where they are to be.</param>
    /// <returns>Indices of key blocks <c>[B, H, query blocks, key blocks]</c>, ascending.</returns>
    internal static Tensor All(long batch, long heads, long length, AttentionOptions options, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        long queryBlocks = (length + options.QueryBlock - 1) / options.QueryBlock;
        return arange((length + options.KeyBlock - 1) / options.KeyBlock, dtype, device).expand(batch, heads, queryBlocks, -1)
            .MoveToOuterDisposeScope();
    }

    /// <summary>The mean of each block of tokens; the last block may be shorter.</summary>
    /// <param name="x"><c>[B, L, H, D]</c></param>
    /// <param name="block">Tokens per block.</param>
    /// <returns><c>[B, H, blocks, D]</c> in x's dtype; the means are taken in float32.</returns>
    public static Tensor MeanPool(Tensor x, int block)
    {
        using var scope = NewDisposeScope();
        long length = x.size(1), blocks = (length + block - 1) / block, last = length - (blocks - 1) * block;
        Tensor sums = Blocks(x.to_type(ScalarType.Float32), block).sum(dim: 3);
        Tensor counts = full([blocks, 1], (double)block, ScalarType.Float32, x.device);
        counts[blocks - 1] = (double)last;
        return (sums / counts).to_type(x.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Splits the sequence into blocks, the last one padded with zeros.</summary>
    /// <param name="x"><c>[B, L, H, D]</c></param>
    /// <param name="block">Tokens per block.</param>
    /// <returns><c>[B, H, blocks, block, D]</c></returns>
    internal static Tensor Blocks(Tensor x, int block)
    {
        using var scope = NewDisposeScope();
        long length = x.size(1), blocks = (length + block - 1) / block;
        Tensor heads = x.transpose(1, 2);
        if (blocks * block != length) heads = nn.functional.pad(heads, [0, 0, 0, blocks * block - length]);
        return heads.reshape(x.size(0), x.size(2), blocks, block, x.size(3)).MoveToOuterDisposeScope();
    }
}
