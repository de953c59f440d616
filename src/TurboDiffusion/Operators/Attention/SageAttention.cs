using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// Full softmax attention in 8 bits: q·kᵀ as SageAttention has it, int8 with a scale for 64 queries and for 128 keys; P·V in int8, too.
/// For models that are not tuned for sparse attention; it has no weights. For inference only: rounding has no gradient.
/// </summary>
/// <remarks>
/// arXiv 2410.02367, 2411.10958, where P and V are fp16 or fp8. In fp8, each of P and V is off by 2.5 %, whatever their scale; in int8,
/// with P against the maximum of its block of keys and a scale for each channel and block of V, each is off by about 1 %.
/// </remarks>
public sealed class SageAttention : AttentionOperator
{
    private const double Int8Max = 127;

    // Bounds the scores that are held at once, 128 MB.
    private const long ScoresAtOnce = 1 << 25;

    private static readonly AttentionOptions Options = AttentionOptions.Sage;

    /// <summary>Creates the operator.</summary>
    public SageAttention()
        : base(nameof(SageAttention))
    {
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        Tensor flat = q.flatten(2);
        KernelChoice choice = AttentionKernels.Choose(flat, q.size(3), Options, null);
        return (choice.IsKernel
            ? AttentionKernels.Attend(flat, k.flatten(2), v.flatten(2), null, Options, null, choice.Form)
            : AttendPlain(q, k, v).to_type(q.dtype)).MoveToOuterDisposeScope();
    }

    internal override Tensor AttendProjections(Tensor q, Tensor k, Tensor v, QueryKeyTransform transform)
    {
        KernelChoice choice = AttentionKernels.Choose(q, transform.Rotary.HeadDim, Options, transform);
        return choice.IsKernel
            ? AttentionKernels.Attend(q, k, v, transform, Options, null, choice.Form)
            : base.AttendProjections(q, k, v, transform);
    }

    /// <summary>The plain form: float32 <c>[B, L, H, D]</c> of q, k, v <c>[B, L, H, D]</c>.</summary>
    internal static Tensor AttendPlain(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        (Tensor qInt8, Tensor qScales) = SageQuantization.QuantizeQueries(q, Options.QueryBlock);
        (Tensor kInt8, Tensor kScales) = SageQuantization.QuantizeKeys(k, Options.KeyBlock);
        (Tensor vInt8, Tensor vScales, Tensor channels) = SageQuantization.QuantizeValuesInt8(v, Options.KeyBlock);
        // Products of int8 values summed over D ≤ 1024 channels stay below 2²⁴: float32 holds them exactly.
        Tensor queries = BlockSelection.Blocks(qInt8.transpose(1, 2).to_type(ScalarType.Float32), Options.QueryBlock)
            * (qScales / Math.Sqrt(q.size(3))).unsqueeze(-1).unsqueeze(-1);
        Tensor keys = Scaled(kInt8, kScales).transpose(-1, -2), values = Scaled(vInt8, vScales);
        Tensor padded = arange(keys.size(3), device: q.device).ge(q.size(1));
        var outputs = new List<Tensor>();
        long rows = q.size(0) * q.size(2) * Options.QueryBlock * keys.size(3), atOnce = Math.Max(1, ScoresAtOnce / rows);
        for (long start = 0; start < queries.size(2); start += atOnce)
        {
            using var step = NewDisposeScope();
            Tensor part = queries.narrow(2, start, Math.Min(atOnce, queries.size(2) - start)).flatten(2, 3);
            Tensor blocks = part.matmul(keys).masked_fill(padded, double.NegativeInfinity).unflatten(3, [-1, Options.KeyBlock]);
            // P is rounded against the highest score of its block, which the block's own factor undoes.
            Tensor highest = blocks.amax([-1], keepdim: true), factor = (highest - highest.amax([3], keepdim: true)).exp();
            Tensor p = (((blocks - highest).exp() * Int8Max).round() * factor).flatten(3);
            outputs.Add((p.matmul(values) / p.sum(dim: 3, keepdim: true)).MoveToOuterDisposeScope());
        }
        return (cat(outputs, 2).narrow(2, 0, q.size(1)) * channels.unsqueeze(2)).transpose(1, 2).MoveToOuterDisposeScope();
    }

    // [B, H, L, D] with a scale per block of keys, in float32 and padded with zeros: [B, H, blocks · block, D].
    private static Tensor Scaled(Tensor values, Tensor scales)
    {
        using var scope = NewDisposeScope();
        Tensor blocks = BlockSelection.Blocks(values.transpose(1, 2).to_type(ScalarType.Float32), Options.KeyBlock);
        return (blocks * scales.unsqueeze(-1).unsqueeze(-1)).flatten(2, 3).MoveToOuterDisposeScope();
    }
}
