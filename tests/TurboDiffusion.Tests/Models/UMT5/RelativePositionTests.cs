using TurboDiffusion.Models.UMT5;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models.UMT5;

public class RelativePositionTests
{
    // T5's buckets for 32 of them and distances up to 128: 8 exact, 8 logarithmic in each direction.
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(7, 7)]
    [InlineData(8, 8)]
    [InlineData(11, 8)]
    [InlineData(12, 9)]
    [InlineData(90, 14)]
    [InlineData(91, 15)]
    [InlineData(128, 15)]
    [InlineData(149, 15)]
    public void Keys_after_the_query_have_the_upper_half_of_the_buckets(int distance, int bucket)
    {
        using var scope = NewDisposeScope();
        Tensor buckets = RelativePosition.Buckets(150, new UMT5Config(50, 32, 32, 64, 2, 1));
        Assert.Equal(bucket, buckets[distance, 0].item<long>());
        Assert.Equal(distance == 0 ? 0 : bucket + 16, buckets[0, distance].item<long>());
    }
}
