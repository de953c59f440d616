using TorchSharp;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// Dense attention of one head as wide as a frame's channels. The kernels of torch end at 256; beyond, it has one for any width at a
/// fraction of the rate. On a GPU, matrix products and a softmax then take as many queries at a time as a bound on memory lets them.
/// They are in float16 there: as fast as bfloat16, and three more bits for scores, whose errors are powers of e in the result.
/// </summary>
internal static class WideAttention
{
    private const long WidestOfTorch = 256, Rows = 128;

    // Of the scores of a part. Larger parts are faster, also far beyond the L2 cache.
    private const long PartBytes = 256 << 20;

    /// <summary>Scores that are there at once, of one frame: those of a part, before and after the softmax.</summary>
    /// <param name="length">L.</param>
    /// <param name="elementSize">Bytes of a score.</param>
    public static long LivingScores(long length, int elementSize) =>
        2 * length * Math.Min(RowsOfPart(length * elementSize, PartBytes), length);

    /// <summary>Runs it.</summary>
    /// <param name="q"><c>[N, L, D]</c>, the strides of rows free.</param>
    /// <param name="k">As q.</param>
    /// <param name="v">As q.</param>
    /// <returns><c>[N, L, D]</c> in q's dtype.</returns>
    public static Tensor Run(Tensor q, Tensor k, Tensor v) =>
        q.device_type == DeviceType.CUDA && q.dtype == ScalarType.BFloat16 && q.size(2) > WidestOfTorch && !is_grad_enabled()
            ? RunInParts(q, k, v, PartBytes)
            : RunPlain(q, k, v);

    /// <summary>The plain form: torch's attention.</summary>
    public static Tensor RunPlain(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        return nn.functional.scaled_dot_product_attention(q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1)).squeeze(1)
            .MoveToOuterDisposeScope();
    }

    /// <summary>The form in parts, in float16, or in float32 where that is q's dtype.</summary>
    /// <param name="q"><c>[N, L, D]</c></param>
    /// <param name="k">As q.</param>
    /// <param name="v">As q.</param>
    /// <param name="partBytes">Bytes of a part's scores; 128 queries are the least.</param>
    public static Tensor RunInParts(Tensor q, Tensor k, Tensor v, long partBytes)
    {
        using var scope = NewDisposeScope();
        ScalarType dtype = q.dtype == ScalarType.Float32 ? ScalarType.Float32 : ScalarType.Float16;
        Tensor queries = q.to_type(dtype) * (1 / Math.Sqrt(q.size(2))), keys = k.to_type(dtype).transpose(1, 2), values = v.to_type(dtype);
        long perRow = k.size(0) * k.size(1) * queries.element_size();
        Tensor[] parts = [.. queries.split(RowsOfPart(perRow, partBytes), 1).Select(part =>
        {
            using var ofPart = NewDisposeScope();
            return part.matmul(keys).softmax(-1).matmul(values).MoveToOuterDisposeScope();
        })];
        return cat(parts, 1).to_type(q.dtype).MoveToOuterDisposeScope();
    }

    private static long RowsOfPart(long bytesOfRow, long partBytes) => Math.Max(partBytes / bytesOfRow / Rows, 1) * Rows;
}
