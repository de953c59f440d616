using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

public class WanModelTests
{
    private readonly Generator _random = new(1);

    private const int Layers = 4;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void A_cancelled_step_ends_at_the_next_block_and_frees_its_memory(int block)
    {
        using var scope = NewDisposeScope();
        using WanModel model = Small();
        Tensor x = _random.Normal(1, 16, 2, 4, 4), t = full(1, 500.0), embedding = _random.Normal(1, 8, 32);
        using CrossContext text = model.PrepareContext(embedding);
        using var cancellation = new CancellationTokenSource();
        var finished = new List<string>();
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        void Observe(string name, Func<Tensor> value)
        {
            if (name.StartsWith("blocks.", StringComparison.Ordinal) && name.Count(c => c == '.') == 1) finished.Add(name);
            // In the middle of the block.
            if (name == $"blocks.{block}.self_attn") cancellation.Cancel();
        }

        if (block == Layers - 1)
        {
            model.Forward(x, t, text, cancellationToken: cancellation.Token, observe: Observe).Dispose();
            Assert.Equal(Layers, finished.Count);
        }
        else
        {
            Assert.ThrowsAny<OperationCanceledException>(() =>
                model.Forward(x, t, text, cancellationToken: cancellation.Token, observe: Observe));
            Assert.Equal(block + 1, finished.Count);
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void The_padding_of_a_text_may_be_taken_as_one_row()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var config = new WanConfig(256, 640, 2, 1, textDim: 32, freqDim: 32);
        using var attention = new CrossAttention(config, WeightFormat.Float, Placement.Cpu);
        foreach ((_, var parameter) in attention.named_parameters()) parameter.normal_(0, 0.1, generator: _random);
        Tensor text = cat([_random.Normal(1, 3, 256), zeros(1, 5, 256)], 1);
        long distinct = DenseAttention.DistinctRows(text);
        Assert.Equal(4, distinct);
        KeyValues plain = attention.Project(text).Text, padded = attention.Project(text, null, distinct).Text;
        Assert.Equal((null, (long?)distinct), (plain.Distinct, padded.Distinct));
        Comparison.RelativeL2(plain.Keys, padded.Keys, 1e-6, "keys");
        Comparison.RelativeL2(plain.Values, padded.Values, 1e-6, "values");
    }

    [Fact]
    public void A_forward_pass_leaves_nothing_but_its_result()
    {
        using var scope = NewDisposeScope();
        using WanModel model = Small();
        Tensor x = _random.Normal(1, 16, 2, 4, 4), t = full(1, 500.0), embedding = _random.Normal(1, 8, 32);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        using (CrossContext text = model.PrepareContext(embedding))
        using (Tensor v = model.Forward(x, t, text))
            Assert.Equal([1, 16, 2, 4, 4], v.shape);
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void A_batch_gives_what_its_members_give_alone()
    {
        using var scope = NewDisposeScope();
        using WanModel model = Small();
        Tensor x = _random.Normal(2, 16, 2, 4, 4), t = tensor(new float[] { 900, 300 }), embedding = _random.Normal(2, 8, 32);
        Tensor both = model.Forward(x, t, model.PrepareContext(embedding));
        for (int i = 0; i < 2; i++)
            Comparison.RelativeL2(model.Forward(x.narrow(0, i, 1), t.narrow(0, i, 1), model.PrepareContext(embedding.narrow(0, i, 1))),
                both.narrow(0, i, 1), 1e-5, $"member {i}");
    }

    [Theory]
    [InlineData(20, 4, 4)]
    [InlineData(16, 3, 4)]
    [InlineData(16, 4, 5)]
    public void Latents_of_another_shape_are_refused(long channels, long height, long width)
    {
        using var scope = NewDisposeScope();
        using WanModel model = Small();
        using CrossContext text = model.PrepareContext(_random.Normal(1, 8, 32));
        var error = Assert.Throws<ArgumentException>(() => model.Forward(_random.Normal(1, channels, 2, height, width), full(1, 500.0),
            text));
        Assert.Contains("[B, 16, T, H, W]", error.Message);
    }

    private static WanModel Small()
    {
        var model = new WanModel(new WanConfig(64, 128, 2, Layers, textDim: 32, freqDim: 32), AttentionOptions.Dense, WeightFormat.Float,
            Placement.Cpu);
        StrictLoader.Load(model, new RandomCheckpoint(model, 1));
        return model;
    }
}
