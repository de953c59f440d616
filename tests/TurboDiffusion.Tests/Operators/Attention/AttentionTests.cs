using TorchSharp;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Attention;

/// <summary>What must hold of every operator, whatever its number formats; each kind derives from it.</summary>
public abstract class AttentionConformance
{
    /// <summary>The kind under test.</summary>
    protected abstract AttentionKind Kind { get; }

    /// <summary>Allowed relative L2 error against dense attention in float32, at a ratio of 1.</summary>
    protected abstract double Tolerance { get; }

    [Theory]
    [InlineData(1, 7, 1, 64)]
    [InlineData(1, 64, 2, 64)]
    [InlineData(2, 129, 3, 128)]
    [InlineData(1, 333, 2, 32)]
    public void Keeping_every_block_equals_dense_attention(long batch, long length, long heads, int dim)
    {
        using var scope = NewDisposeScope();
        (Tensor q, Tensor k, Tensor v) = Random(batch, length, heads, dim);
        using AttentionOperator attention = Create(1, dim);
        Comparison.RelativeL2(DenseAttention.Attend(q, k, v), attention.call(q, k, v), Tolerance, $"{Kind} at ratio 1");
    }

    [Fact]
    public void All_equal_values_come_back_unchanged()
    {
        using var scope = NewDisposeScope();
        (Tensor q, Tensor k, _) = Random(1, 200, 2, 64);
        Tensor v = full([1, 200, 2, 64], 0.75);
        using AttentionOperator attention = Create(0.3, 64);
        Comparison.RelativeL2(v, attention.call(q, k, v), 1e-6, $"{Kind} of constant values");
    }

    [Fact]
    public void Extreme_values_stay_finite()
    {
        using var scope = NewDisposeScope();
        (Tensor q, Tensor k, Tensor v) = Random(1, 200, 1, 64);
        using AttentionOperator attention = Create(0.3, 64);
        Assert.True(attention.call(q * 300, k * 300, v * 1e6).isfinite().all().item<bool>());
        Assert.True(attention.call(q * 0, k * 0, v * 0).isfinite().all().item<bool>());
    }

    [Fact]
    public void The_output_has_the_shape_and_type_of_the_queries()
    {
        using var scope = NewDisposeScope();
        (Tensor q, Tensor k, Tensor v) = Random(1, 100, 2, 64);
        using AttentionOperator attention = Create(0.3, 64);
        Tensor o = attention.call(q.bfloat16(), k.bfloat16(), v.bfloat16());
        Assert.Equal(ScalarType.BFloat16, o.dtype);
        Assert.Equal(q.shape, o.shape);
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var scope = NewDisposeScope();
        (Tensor q, Tensor k, Tensor v) = Random(1, 200, 2, 64);
        using AttentionOperator attention = Create(0.3, 64);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        attention.call(q, k, v).Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    private AttentionOperator Create(double ratio, int dim)
    {
        AttentionOperator attention = AttentionOperator.Create(AttentionOptions.Of(Kind, ratio), dim, Placement.Cpu);
        using var noGradient = no_grad();
        foreach ((_, var parameter) in attention.named_parameters()) parameter.zero_();
        return attention;
    }

    protected static (Tensor Q, Tensor K, Tensor V) Random(long batch, long length, long heads, int dim)
    {
        var generator = new Generator(7);
        return (randn(batch, length, heads, dim, generator: generator), randn(batch, length, heads, dim, generator: generator),
            randn(batch, length, heads, dim, generator: generator));
    }
}

public sealed class DenseAttentionTests : AttentionConformance
{
    protected override AttentionKind Kind => AttentionKind.Dense;

    protected override double Tolerance => 1e-6;
}

public sealed class SparseLinearAttentionTests : AttentionConformance
{
    protected override AttentionKind Kind => AttentionKind.Sla;

    protected override double Tolerance => 1e-5;

    [Fact]
    public void Memory_and_result_do_not_depend_on_how_many_query_blocks_run_at_once()
    {
        // 5 heads × 40 query blocks: more than are gathered at once.
        using var scope = NewDisposeScope();
        (Tensor q, Tensor k, Tensor v) = Random(1, 640, 5, 32);
        AttentionOptions options = AttentionOptions.Sla(0.25, 16, 32);
        Tensor kept = BlockSelection.Select(q, k, options);
        Tensor all = BlockSparseAttention.Attend(q, k, v, kept, options);
        for (int head = 0; head < 5; head++)
            Comparison.RelativeL2(
                BlockSparseAttention.Attend(q.narrow(2, head, 1), k.narrow(2, head, 1), v.narrow(2, head, 1),
                    kept.narrow(1, head, 1), options),
                all.narrow(2, head, 1), 1e-6, $"head {head}");
    }

    [Fact]
    public void Only_the_kept_blocks_are_attended_to()
    {
        using var scope = NewDisposeScope();
        (Tensor q, Tensor k, Tensor v) = Random(1, 256, 1, 32);
        AttentionOptions options = AttentionOptions.Sla(0.5, 64, 64);
        Tensor kept = tensor(new long[] { 1, 2 }).reshape(1, 1, 1, 2).expand(1, 1, 4, 2).contiguous();
        Tensor o = BlockSparseAttention.Attend(q, k, v, kept, options);
        Comparison.RelativeL2(DenseAttention.Attend(q, k.narrow(1, 64, 128), v.narrow(1, 64, 128)), o, 1e-6, "blocks 1 and 2");
    }

    [Theory]
    [InlineData(0.1, 30, 3)]
    [InlineData(0.1, 9, 1)]
    [InlineData(0.01, 5, 1)]
    [InlineData(1.0, 5, 5)]
    public void The_ratio_keeps_its_share_of_blocks_and_never_none(double ratio, int blocks, int expected) =>
        Assert.Equal(expected, AttentionOptions.Sla(ratio).KeptBlocks(blocks));

    [Theory]
    [InlineData(0)]
    [InlineData(-0.1)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    public void A_ratio_outside_0_to_1_is_refused(double ratio)
    {
        var error = Assert.Throws<InvalidRequestException>(() => AttentionOptions.Sla(ratio));
        Assert.Equal("topk", error.Parameter);
    }
}

public sealed class SageAttentionTests : AttentionConformance
{
    protected override AttentionKind Kind => AttentionKind.Sage;

    // int8 scores, weights and values.
    protected override double Tolerance => 0.025;
}

public sealed class SageSparseLinearAttentionTests : AttentionConformance
{
    protected override AttentionKind Kind => AttentionKind.SageSla;

    // int8 scores and fp8 weights and values: three significant bits in P and V.
    protected override double Tolerance => 0.05;
}
