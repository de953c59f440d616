using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Runtime;
using Xunit;

namespace TurboDiffusion.Tests.Models.UMT5;

public class UMT5EncoderTests
{
    [Fact]
    public void Streaming_gives_the_same_bits_as_the_whole_encoder()
    {
        using var scope = torch.NewDisposeScope();
        using var checkpoint = new SmallUMT5();
        using UMT5Encoder whole = Load(checkpoint);
        using var streamed = new StreamedUMT5Encoder(checkpoint, SmallUMT5.Config, Placement.Cpu);
        (torch.Tensor ids, torch.Tensor mask) = SmallUMT5.Batch(20, 5, 13);
        Comparison.Exact(whole.Encode(ids, mask), streamed.Encode(ids, mask), "embedding");
    }

    [Fact]
    public void Streaming_reads_every_tensor_once_and_in_order()
    {
        using var scope = torch.NewDisposeScope();
        using var checkpoint = new SmallUMT5();
        using var streamed = new StreamedUMT5Encoder(checkpoint, SmallUMT5.Config, Placement.Cpu);
        (torch.Tensor ids, torch.Tensor mask) = SmallUMT5.Batch(20, 5);
        _ = streamed.Encode(ids, mask);
        Assert.Equal(checkpoint.Tensors.Keys.Order(), checkpoint.Reads.Order());
        Assert.Equal("token_embedding.weight", checkpoint.Reads[0]);
        Assert.Equal("norm.weight", checkpoint.Reads[^1]);
    }

    [Fact]
    public void Computing_only_the_longest_text_changes_nothing()
    {
        using var scope = torch.NewDisposeScope();
        using var checkpoint = new SmallUMT5();
        using UMT5Encoder encoder = Load(checkpoint);
        (torch.Tensor ids, torch.Tensor mask) = SmallUMT5.Batch(64, 5, 13);
        torch.Tensor full = TextEmbedding.ZeroPastEnd(encoder.Hidden(ids, mask), mask);
        torch.Tensor trimmed = encoder.Encode(ids, mask);
        Comparison.RelativeL2(full, trimmed, 1e-6, "embedding");
        Assert.True(trimmed.narrow(1, 13, 51).eq(0).all().item<bool>());
        Assert.True(trimmed[0].narrow(0, 5, 59).eq(0).all().item<bool>());
        Assert.True(trimmed[1][12].abs().sum().item<float>() > 0);
    }

    [Fact]
    public void What_stands_in_the_padding_does_not_matter()
    {
        using var scope = torch.NewDisposeScope();
        using var checkpoint = new SmallUMT5();
        using UMT5Encoder encoder = Load(checkpoint);
        (torch.Tensor ids, torch.Tensor mask) = SmallUMT5.Batch(16, 5, 9);
        torch.Tensor other = ids + (1 - mask) * 3;
        Comparison.Exact(encoder.Encode(ids, mask), encoder.Encode(other, mask), "embedding");
    }

    [Fact]
    public void A_text_encodes_alike_alone_and_in_a_batch()
    {
        using var scope = torch.NewDisposeScope();
        using var checkpoint = new SmallUMT5();
        using UMT5Encoder encoder = Load(checkpoint);
        (torch.Tensor ids, torch.Tensor mask) = SmallUMT5.Batch(16, 5, 9);
        torch.Tensor both = encoder.Encode(ids, mask);
        Comparison.RelativeL2(encoder.Encode(ids.narrow(0, 0, 1), mask.narrow(0, 0, 1)), both.narrow(0, 0, 1), 1e-6, "first text");
    }

    [Fact]
    public void In_bfloat16_the_embedding_is_near_the_float32_one()
    {
        using var scope = torch.NewDisposeScope();
        using var checkpoint = new SmallUMT5();
        using UMT5Encoder whole = Load(checkpoint);
        using var streamed = new StreamedUMT5Encoder(checkpoint, SmallUMT5.Config,
            Placement.Cpu with { Dtype = torch.ScalarType.BFloat16 });
        (torch.Tensor ids, torch.Tensor mask) = SmallUMT5.Batch(16, 5, 9);
        torch.Tensor embedding = streamed.Encode(ids, mask);
        Assert.Equal(torch.ScalarType.BFloat16, embedding.dtype);
        // bfloat16 keeps 8 bits: 0.4% per rounding, several roundings per block.
        Comparison.RelativeL2(whole.Encode(ids, mask), embedding, 0.03, "embedding");
    }

    [Fact]
    public void A_mask_without_tokens_gives_zeros()
    {
        using var scope = torch.NewDisposeScope();
        using var checkpoint = new SmallUMT5();
        using UMT5Encoder encoder = Load(checkpoint);
        (torch.Tensor ids, torch.Tensor mask) = SmallUMT5.Batch(8, 0);
        Assert.True(encoder.Encode(ids, mask).eq(0).all().item<bool>());
    }

    [Fact]
    public void Cancellation_is_noticed_between_blocks()
    {
        using var scope = torch.NewDisposeScope();
        using var checkpoint = new SmallUMT5();
        using UMT5Encoder whole = Load(checkpoint);
        using var streamed = new StreamedUMT5Encoder(checkpoint, SmallUMT5.Config, Placement.Cpu);
        (torch.Tensor ids, torch.Tensor mask) = SmallUMT5.Batch(8, 3);
        var cancelled = new CancellationToken(canceled: true);
        Assert.Throws<OperationCanceledException>(() => whole.Encode(ids, mask, cancelled));
        Assert.Throws<OperationCanceledException>(() => streamed.Encode(ids, mask, cancelled));
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using var scope = torch.NewDisposeScope();
        using var checkpoint = new SmallUMT5();
        using UMT5Encoder encoder = Load(checkpoint);
        (torch.Tensor ids, torch.Tensor mask) = SmallUMT5.Batch(8, 3);
        Assert.Throws<ArgumentException>(() => encoder.Encode(ids, mask.narrow(1, 0, 4)));
        Assert.Throws<ArgumentException>(() => encoder.Encode(ids[0], mask[0]));
        Assert.Throws<ArgumentException>(() => encoder.Encode(ids.to(torch.ScalarType.Int32), mask));
    }

    [Fact]
    public void A_checkpoint_of_other_sizes_is_refused_before_it_is_read()
    {
        using var checkpoint = new SmallUMT5();
        var wider = new UMT5Config(vocab: 50, dim: 32, dimAttn: 16, dimFfn: 64, numHeads: 2, numLayers: 3);
        var error = Assert.Throws<CheckpointException>(() => new StreamedUMT5Encoder(checkpoint, wider, Placement.Cpu));
        Assert.Contains("ffn.fc1.weight", error.Message);
        Assert.Empty(checkpoint.Reads);
    }

    [Fact]
    public void Encoding_leaves_no_tensor_behind_but_its_result()
    {
        using var checkpoint = new SmallUMT5();
        using UMT5Encoder whole = Load(checkpoint);
        using var streamed = new StreamedUMT5Encoder(checkpoint, SmallUMT5.Config, Placement.Cpu);
        (torch.Tensor ids, torch.Tensor mask) = SmallUMT5.Batch(8, 3);
        foreach (ITextEncoder encoder in new ITextEncoder[] { whole, streamed })
        {
            encoder.Encode(ids, mask).Dispose();
            long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            encoder.Encode(ids, mask).Dispose();
            Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        }
        ids.Dispose();
        mask.Dispose();
    }

    private static UMT5Encoder Load(SmallUMT5 checkpoint)
    {
        var encoder = new UMT5Encoder(SmallUMT5.Config, Placement.Cpu);
        StrictLoader.Load(encoder, checkpoint);
        checkpoint.Reads.Clear();
        return encoder;
    }
}
