using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// Softmax attention over chosen key blocks only, gathered block by block, so that memory follows the kept blocks and
/// not L². In float32, with gradients; or in the number formats of SageAttention.
/// </summary>
public static class BlockSparseAttention
{
    // Query blocks handled at once, and fewer where each keeps many keys: bounds the gathered keys and values (1.7 MB each per block at
    // 3276 kept keys of 128).
    private const int QueryBlocksAtOnce = 64, KeysAtOnce = 64 * 4096;

    /// <summary>softmax over the kept blocks of q·kᵀ/√D, times v, in float32.</summary>
    /// <param name="q">Queries <c>[B, L, H, D]</c>.</param>
    /// <param name="k">Keys <c>[B, L, H, D]</c>.</param>
    /// <param name="v">Values <c>[B, L, H, D]</c>.</param>
    /// <param name="kept">Indices of key blocks <c>[B, H, query blocks, kept]</c>, int64.</param>
    /// <param name="options">Block sizes.</param>
    /// <returns><c>[B, L, H, D]</c>, float32.</returns>
    public static Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor kept, AttentionOptions options)
    {
        using var scope = NewDisposeScope();
        Tensor queries = BlockSelection.Blocks(q.to_type(ScalarType.Float32) / Math.Sqrt(q.size(3)), options.QueryBlock);
        Tensor keys = BlockSelection.Blocks(k.to_type(ScalarType.Float32), options.KeyBlock);
        Tensor values = BlockSelection.Blocks(v.to_type(ScalarType.Float32), options.KeyBlock);
        return OverQueryBlocks(queries, kept, q.size(1), options, (rows, flatBlocks, hidden) =>
        {
            Tensor scores = rows.matmul(Gather(keys, flatBlocks, rows.size(0)).transpose(-1, -2));
            return scores.masked_fill(hidden, double.NegativeInfinity).softmax(-1).matmul(Gather(values, flatBlocks, rows.size(0)));
        }).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The same in SageAttention's formats: int8 q and k − mean with a scale per block, q·kᵀ summed exactly, softmax in
    /// float32, P and V in fp8 e4m3 (V with a scale per channel).
    /// </summary>
    /// <param name="q">Queries <c>[B, L, H, D]</c>.</param>
    /// <param name="k">Keys <c>[B, L, H, D]</c>.</param>
    /// <param name="v">Values <c>[B, L, H, D]</c>.</param>
    /// <param name="kept">Indices of key blocks <c>[B, H, query blocks, kept]</c>, int64.</param>
    /// <param name="options">Block sizes.</param>
    /// <returns><c>[B, L, H, D]</c>, float32. Carries no gradient: rounding has none.</returns>
    public static Tensor AttendSage(Tensor q, Tensor k, Tensor v, Tensor kept, AttentionOptions options)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        (Tensor qInt8, Tensor qScale) = SageQuantization.QuantizeQueries(q, options.QueryBlock);
        (Tensor kInt8, Tensor kScale) = SageQuantization.QuantizeKeys(k, options.KeyBlock);
        (Tensor vFp8, Tensor vScale) = SageQuantization.QuantizeValues(v);
        // Products of int8 values summed over D ≤ 1024 channels stay below 2²⁴: float32 holds them exactly.
        Tensor queries = BlockSelection.Blocks(qInt8.transpose(1, 2).to_type(ScalarType.Float32), options.QueryBlock);
        Tensor keys = BlockSelection.Blocks(kInt8.transpose(1, 2).to_type(ScalarType.Float32), options.KeyBlock);
        Tensor values = BlockSelection.Blocks(vFp8, options.KeyBlock);
        Tensor queryScales = qScale.flatten() / Math.Sqrt(q.size(3)), keyScales = kScale.flatten();
        long next = 0;
        Tensor output = OverQueryBlocks(queries, kept, q.size(1), options, (rows, flatBlocks, hidden) =>
        {
            Tensor rowScales = queryScales.narrow(0, next, rows.size(0)).reshape(-1, 1, 1);
            next += rows.size(0);
            Tensor columnScales = keyScales.index_select(0, flatBlocks).reshape(rows.size(0), 1, -1)
                .repeat_interleave(options.KeyBlock, dim: 2);
            Tensor scores = rows.matmul(Gather(keys, flatBlocks, rows.size(0)).transpose(-1, -2)) * (rowScales * columnScales);
            scores = scores.masked_fill(hidden, double.NegativeInfinity);
            // Online softmax, block after block as the kernel runs it: P is taken against the highest score so far, rounded
            // to fp8 in [0, 1], and rescaled as later blocks raise the maximum. Normalised by the rounded P's own sum.
            Tensor blocks = scores.unflatten(2, [-1, options.KeyBlock]);
            Tensor highest = blocks.amax([-1], keepdim: true).cummax(2).values;
            Tensor rescale = (highest - highest.narrow(2, -1, 1)).exp();
            Tensor p = (Fp8.Round((blocks - highest).exp()) * rescale).flatten(2);
            return p.matmul(Gather(values, flatBlocks, rows.size(0))) / p.sum(dim: -1, keepdim: true);
        });
        return (output * vScale.transpose(1, 2)).MoveToOuterDisposeScope();
    }

    // Runs attend(rows [n, query block, D], flat indices of their key blocks [n·kept], mask of padded keys [n, 1, kept·key
    // block]) over all query blocks, a bounded number at a time, and restores [B, L, H, D].
    private static Tensor OverQueryBlocks(
        Tensor queries, Tensor kept, long length, AttentionOptions options, Func<Tensor, Tensor, Tensor, Tensor> attend)
    {
        long batch = queries.size(0), heads = queries.size(1), blocks = queries.size(2), dim = queries.size(4);
        long keyBlocks = (length + options.KeyBlock - 1) / options.KeyBlock;
        Tensor rows = queries.reshape(-1, options.QueryBlock, dim);
        // The flat index of key block j of (batch, head) n is n·keyBlocks + j.
        Tensor headStart = arange(batch * heads, ScalarType.Int64, kept.device).reshape(batch, heads, 1, 1) * keyBlocks;
        Tensor flat = (kept + headStart).reshape(rows.size(0), -1);
        Tensor position = (kept.unsqueeze(-1) * options.KeyBlock + arange(options.KeyBlock, ScalarType.Int64, kept.device))
            .reshape(rows.size(0), 1, -1);
        Tensor padded = position.ge(length);
        var outputs = new List<Tensor>();
        long atOnce = Math.Clamp(KeysAtOnce / (kept.size(3) * options.KeyBlock), 1, QueryBlocksAtOnce);
        for (long start = 0; start < rows.size(0); start += atOnce)
        {
            using var step = NewDisposeScope();
            long count = Math.Min(atOnce, rows.size(0) - start);
            outputs.Add(attend(rows.narrow(0, start, count), flat.narrow(0, start, count).flatten(), padded.narrow(0, start, count))
                .MoveToOuterDisposeScope());
        }
        return cat(outputs).reshape(batch, heads, blocks * options.QueryBlock, dim).narrow(2, 0, length).transpose(1, 2);
    }

    // [B, H, blocks, block, D] and flat block indices [n·kept] to [n, kept·block, D].
    private static Tensor Gather(Tensor blocks, Tensor flat, long n) =>
        blocks.flatten(0, 2).index_select(0, flat).reshape(n, -1, blocks.size(4));
}
