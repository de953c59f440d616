using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Golden;
using Xunit;

namespace TurboDiffusion.Tests.Models.UMT5;

public class UMT5ConfigTests
{
    [Fact]
    public void Sizes_are_read_off_a_checkpoint()
    {
        using var checkpoint = new SmallUMT5();
        Assert.Equal(SmallUMT5.Config, UMT5Config.FromCheckpoint(checkpoint));
        Assert.Empty(checkpoint.Reads);
    }

    [Fact]
    public void A_checkpoint_of_another_model_is_refused_by_name()
    {
        using var checkpoint = new SmallUMT5();
        ((Dictionary<string, TurboDiffusion.Checkpoints.TensorInfo>)checkpoint.Tensors).Remove("blocks.0.attn.q.weight");
        var error = Assert.Throws<CheckpointException>(() => UMT5Config.FromCheckpoint(checkpoint));
        Assert.Contains("'blocks.0.attn.q.weight'", error.Message);
    }

    [Theory]
    [InlineData(0, 64, 64, 64, 4, 1, 32, 128)]
    [InlineData(300, -1, 64, 64, 4, 1, 32, 128)]
    [InlineData(300, 64, 65, 64, 4, 1, 32, 128)]
    [InlineData(300, 64, 64, 64, 4, 0, 32, 128)]
    [InlineData(300, 64, 64, 64, 4, 1, 31, 128)]
    [InlineData(300, 64, 64, 64, 4, 1, 32, 8)]
    public void Impossible_sizes_are_refused(long vocab, long dim, long attn, long ffn, long heads, long layers, long buckets,
        long distance) =>
        Assert.Throws<InvalidRequestException>(() => new UMT5Config(vocab, dim, attn, ffn, heads, layers, buckets, distance));

    [Fact]
    public void Relative_positions_fall_into_the_published_buckets()
    {
        using torch.Tensor buckets = RelativePosition.Buckets(300, UMT5Config.Xxl);
        // T5: 8 exact buckets per direction, then 8 logarithmic ones up to distance 128; keys to the right start at 16.
        (int Query, int Key, long Bucket)[] expected =
        [
            (0, 0, 0), (7, 0, 7), (8, 0, 8), (11, 0, 8), (12, 0, 9), (16, 0, 10), (64, 0, 14), (128, 0, 15), (299, 0, 15),
            (0, 1, 17), (0, 7, 23), (0, 8, 24), (0, 16, 26), (0, 127, 31), (0, 299, 31),
        ];
        foreach ((int query, int key, long bucket) in expected)
            Assert.True(bucket == buckets[query, key].item<long>(),
                $"query {query}, key {key}: expected {bucket}, got {buckets[query, key].item<long>()}");
    }
}
