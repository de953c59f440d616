using System.Globalization;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Attention;

/// <summary>
/// Prints the time of every piece of sparse-linear attention at the sizes of the 1.3B model at 480p and the 14B model at 720p, 81
/// frames, with its share of the ceiling, beside the whole operator and torch's dense attention.
/// </summary>
[Trait("Category", "Gpu")]
public class AttentionTimings
{
    // Bare wgmma loops, in int8 and fp8 and in bf16, and a device-to-device copy, both on an H100.
    private const double MatrixCeiling = 1962e12, Bf16Ceiling = 973e12, BandwidthCeiling = 2.98e12;

    private readonly Device _device = KernelConformance.RequireGpu();

    [Theory]
    [InlineData(21, 30, 52, 12, false)]
    [InlineData(21, 30, 52, 12, true)]
    [InlineData(21, 45, 80, 40, false)]
    [InlineData(21, 45, 80, 40, true)]
    public void Attention(int frames, int rows, int columns, int heads, bool correlated)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        AttentionOptions options = AttentionOptions.SageSla();
        long tokens = (long)frames * rows * columns, width = 128L * heads;
        double bytes = 2.0 * tokens * width;
        using RotaryEmbedding rotary = RotaryEmbedding.Create(128, frames, rows, columns, _device);
        Tensor Draw(params long[] shape) => randn(shape, ScalarType.BFloat16, _device);
        Tensor Project() => correlated ? Correlated(frames, rows, columns, width) : Draw(1, tokens, width);
        Tensor q = Project(), k = Project(), v = Draw(1, tokens, width);
        QueryKeyTransform transform = new(ones(width, ScalarType.BFloat16, _device), ones(width, ScalarType.BFloat16, _device),
            rotary, 1e-6);
        (Tensor Weight, Tensor Bias) projection = (randn([128, 128], device: _device), randn(128, device: _device));
        KernelForm form = AttentionKernels.Choose(KernelMachine.Best(0), AttentionKernels.Problem.Of(q, 128, options)).Form;
        bool hopper = form == KernelForm.Sm90;
        string size = $"L {tokens}, {heads} heads{(correlated ? ", correlated" : "")}";

        Bandwidth($"statistics, {size}", 2 * bytes, () => _ = SageStatisticsKernel.Run(q, k, transform));
        (Tensor queryInverse, Tensor keyInverse, Tensor mean) = SageStatisticsKernel.Run(q, k, transform);
        Bandwidth($"queries, {size}", 2.5 * bytes, () => _ = SageQueriesKernel.Run(q, queryInverse, transform, options.QueryBlock));
        Bandwidth($"keys and state, {size}", (hopper ? 3 : 2.5) * bytes,
            () => _ = SageKeysKernel.Run(k, v, mean, keyInverse, transform, options.KeyBlock, hopper));
        SageQueriesKernel.Result left = SageQueriesKernel.Run(q, queryInverse, transform, options.QueryBlock);
        SageKeysKernel.Result right = SageKeysKernel.Run(k, v, mean, keyInverse, transform, options.KeyBlock, hopper);
        Time($"scores of the blocks, {size}", () => _ = AttentionKernels.Scores(left.Pooled, right.Pooled));
        Tensor scores = AttentionKernels.Scores(left.Pooled, right.Pooled);
        int count = options.KeptBlocks((int)scores.shape[3]);
        Time($"choice of the blocks, {size}", () => _ = BlockTopKKernel.Run(scores, count));
        Time($"projected state, {size}", () => _ = SageStateKernel.Run(right.Products, right.Sums, projection.Weight));
        Tensor kept = BlockTopKKernel.Run(scores, count);
        (Tensor, Tensor) state = SageStateKernel.Run(right.Products, right.Sums, projection.Weight);

        double operations = 4.0 * tokens * count * options.KeyBlock * width;
        if (hopper) Rate($"Hopper, both branches, {size}", operations,
            () => _ = Sm90Int8AttentionKernel.Run(left, right, kept, state, projection.Bias));
        Rate($"portable sparse branch, {size}", operations,
            () => _ = SageSparseAttentionKernel.Run((left.Values, left.Scales), (right.Values, right.Scales), v.unflatten(2, [-1, 128]),
                kept, options));
        // What neighbouring query blocks share is loaded once: random projections share least.
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"MAPS {size}: {Shared(kept):P0} of what a query block chose, its neighbour chose too"));
        Tensor first = kept.narrow(2, 0, 1).expand_as(kept).contiguous();
        if (hopper) Rate($"Hopper, all of one choice, {size}", operations,
            () => _ = Sm90Int8AttentionKernel.Run(left, right, first, state, projection.Bias));
        Rate($"WHOLE OPERATOR, {size}", operations, () => _ = AttentionKernels.Attend(q, k, v, transform, options, projection, form));
        if (hopper)
        {
            Time($"Sage: largest values of the channels, {size}", () => _ = SageQuantization.ValueChannels(v.unflatten(2, [-1, 128])));
            Tensor channels = SageQuantization.ValueChannels(v.unflatten(2, [-1, 128]));
            Time($"Sage: queries, {size}", () => _ = SageQueriesKernel.Run(q, queryInverse, transform, 64, features: false));
            Time($"Sage: keys, {size}", () => _ =
                SageKeysKernel.Run(k, v, mean, keyInverse, transform, 128, fp8: false, state: false, channels: channels));
            SageQueriesKernel.Result queries = SageQueriesKernel.Run(q, queryInverse, transform, 64, features: false);
            SageKeysKernel.Result keys =
                SageKeysKernel.Run(k, v, mean, keyInverse, transform, 128, fp8: false, state: false, channels: channels);
            Rate($"Sage: Hopper, all keys, {size}", 4.0 * tokens * tokens * width,
                () => _ = Sm90Int8AttentionKernel.Run(queries, keys, channels));
            Rate($"Sage: WHOLE OPERATOR, {size}", 4.0 * tokens * tokens * width,
                () => _ = AttentionKernels.Attend(q, k, v, transform, AttentionOptions.Sage, null, form));
        }
        if (hopper)
        {
            AttentionOptions exact = AttentionOptions.Sla();
            Bandwidth($"SLA: queries, {size}", 3 * bytes,
                () => _ = SageQueriesKernel.Run(q, queryInverse, transform, exact.QueryBlock, ScalarType.BFloat16));
            Bandwidth($"SLA: keys and state, {size}", 3 * bytes,
                () => _ = SageKeysKernel.Run(k, v, mean, keyInverse, transform, exact.KeyBlock, false, ScalarType.BFloat16));
            SageQueriesKernel.Result queries = SageQueriesKernel.Run(q, queryInverse, transform, exact.QueryBlock, ScalarType.BFloat16);
            SageKeysKernel.Result keys =
                SageKeysKernel.Run(k, v, mean, keyInverse, transform, exact.KeyBlock, false, ScalarType.BFloat16);
            Tensor chosen = AttentionKernels.Choose(queries.Pooled, keys.Pooled, exact);
            double work = 4.0 * tokens * chosen.shape[3] * exact.KeyBlock * width;
            Rate($"SLA: Hopper, both branches, {size}", work,
                () => _ = Sm90SlaAttentionKernel.Run(queries, keys, v, chosen, state, projection.Bias), Bf16Ceiling);
            Rate($"SLA: WHOLE OPERATOR, {size}", work,
                () => _ = AttentionKernels.Attend(q, k, v, transform, exact, projection, form), Bf16Ceiling);
        }
        (Tensor a, Tensor b, Tensor c) = (q.unflatten(2, [-1, 128]), k.unflatten(2, [-1, 128]), v.unflatten(2, [-1, 128]));
        Rate($"torch dense attention, {size}", 4.0 * tokens * tokens * width, () => _ = DenseAttention.Attend(a, b, c), Bf16Ceiling);
    }

    /// <summary>To a text of 77 tokens padded to 512, against torch's attention to all 512.</summary>
    [Theory]
    [InlineData(32760, 12)]
    [InlineData(75600, 40)]
    public void Cross_attention(long tokens, int heads)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor Draw(long rows) => randn([1, rows, heads, 128], ScalarType.BFloat16, _device);
        Tensor q = Draw(tokens), k = Draw(512), v = Draw(512);
        Time($"cross-attention, L {tokens}, {heads} heads, torch", () => _ = DenseAttention.Attend(q, k, v));
        if (KernelMachine.Best(0).Form != KernelForm.Sm90) return;
        foreach (long distinct in new[] { 128L, 78, 30 })
            Time($"cross-attention, L {tokens}, {heads} heads, own kernel, {distinct} keys",
                () => _ = Sm90CrossAttentionKernel.Run(q, k, v, distinct));
    }

    // Neighbours in the video are alike, as in a trained model: half of the variance is a field a sixth as fine as the tokens.
    private Tensor Correlated(int frames, int rows, int columns, long width)
    {
        using var scope = NewDisposeScope();
        Tensor coarse = randn([1, width, (frames + 2) / 3, (rows + 5) / 6, (columns + 5) / 6], device: _device);
        Tensor field = nn.functional.interpolate(coarse, [frames, rows, columns], mode: InterpolationMode.Nearest)
            .flatten(2).transpose(1, 2);
        // The kernels read tokens of neighbouring channels, as projections are.
        return ((field + randn_like(field)) / Math.Sqrt(2)).to_type(ScalarType.BFloat16).contiguous().MoveToOuterDisposeScope();
    }

    // The share of what a query block chose that the next one chose, too.
    private static double Shared(Tensor kept)
    {
        using var scope = NewDisposeScope();
        long pairs = kept.shape[2] / 2, count = kept.shape[3];
        Tensor both = kept.narrow(2, 0, 2 * pairs).reshape(-1, 2 * count).sort(-1).Values;
        long equal = both.narrow(1, 1, 2 * count - 1).eq(both.narrow(1, 0, 2 * count - 1)).sum().item<long>();
        return (double)equal / (both.shape[0] * count);
    }

    private void Bandwidth(string what, double bytes, Action action)
    {
        double ms = Median(what, action);
        Print(what, ms, $"{bytes / ms / 1e9:0.00} TB/s", bytes / ms * 1e3 / BandwidthCeiling);
    }

    private void Rate(string what, double operations, Action action, double ceiling = MatrixCeiling)
    {
        double ms = Median(what, action);
        Print(what, ms, $"{operations / ms / 1e9:0} TOPS", operations / ms * 1e3 / ceiling);
    }

    private void Time(string what, Action action) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"TIME {what,-75} {Median(what, action),8:0.000} ms"));

    // What an action makes dies with it. A GPU reports a fault at some later call: here at one that knows whose it is.
    private double Median(string what, Action action)
    {
        try
        {
            double ms = CudaTimer.Median(_device, () =>
            {
                using var scope = NewDisposeScope();
                action();
            });
            cuda.synchronize(_device);
            return ms;
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{what}: {e.Message}", e);
        }
    }

    private static void Print(string what, double ms, string rate, double share) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"TIME {what,-75} {ms,8:0.000} ms  {rate,10}  {share,5:P0} of the ceiling"));
}
