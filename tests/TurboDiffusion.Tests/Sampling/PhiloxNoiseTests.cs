using TorchSharp;
using TurboDiffusion.Sampling;
using Xunit;

namespace TurboDiffusion.Tests.Sampling;

public class PhiloxNoiseTests
{
    [Theory]
    [InlineData(0UL)]
    [InlineData(1234567890123456789UL)]
    [InlineData(ulong.MaxValue)]
    public void Normal_noise_has_the_moments_of_a_standard_normal(ulong seed)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor x = new PhiloxNoise(seed).Normal(1 << 20).to(torch.ScalarType.Float64);
        // Six standard errors of each moment at n = 2²⁰.
        double error = 6 / Math.Sqrt(1 << 20);
        Assert.InRange(x.mean().item<double>(), -error, error);
        Assert.InRange(x.pow(2).mean().item<double>(), 1 - error * Math.Sqrt(2), 1 + error * Math.Sqrt(2));
        Assert.InRange(x.pow(3).mean().item<double>(), -error * Math.Sqrt(15), error * Math.Sqrt(15));
        Assert.InRange(x.pow(4).mean().item<double>(), 3 - error * Math.Sqrt(96), 3 + error * Math.Sqrt(96));
        Assert.InRange((x[..^1] * x[1..]).mean().item<double>(), -error, error);
    }

    [Fact]
    public void Uniform_values_fill_the_unit_interval_and_never_reach_one()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor x = new PhiloxNoise(7).Uniform(1 << 20);
        Assert.True(x.min().item<float>() >= 0 && x.max().item<float>() < 1);
        double error = 6 / Math.Sqrt(1 << 20);
        Assert.InRange(x.mean().item<float>(), 0.5 - error * 0.29, 0.5 + error * 0.29);
        Assert.InRange(x.var().item<float>(), 1 / 12.0 - error * 0.075, 1 / 12.0 + error * 0.075);
    }

    [Fact]
    public void Seeds_and_positions_give_different_noise_and_the_same_ones_the_same()
    {
        using var scope = torch.NewDisposeScope();
        var source = new PhiloxNoise(3);
        torch.Tensor first = source.Normal(5, 77), second = source.Normal(5, 77);
        Assert.Equal(0, first.eq(second).sum().item<long>());
        Assert.Equal(0, first.eq(new PhiloxNoise(4).Normal(5, 77)).sum().item<long>());
        Assert.Equal(0, first.eq(new PhiloxNoise(3UL + (1UL << 32)).Normal(5, 77)).sum().item<long>());
        Comparison.Exact(first, new PhiloxNoise(3).Normal(5, 77), "the same seed again");
        Comparison.Exact(new PhiloxNoise(unchecked((ulong)-1L)).Normal(9), new PhiloxNoise(ulong.MaxValue).Normal(9), "a negative seed");
    }

    [Fact]
    public void A_source_resumes_from_its_offset()
    {
        using var scope = torch.NewDisposeScope();
        var source = new PhiloxNoise(11);
        source.Normal(1, 16, 5, 60, 104);
        var resumed = new PhiloxNoise(source.Seed, source.Offset);
        Comparison.Exact(source.Normal(321), resumed.Normal(321), "after a resume");
        Comparison.Exact(source.Uniform(321), resumed.Uniform(321), "uniform after a resume");
        Assert.Throws<InvalidRequestException>(() => new PhiloxNoise(11, 6));
    }

    [Fact]
    public void The_shape_only_arranges_the_values_and_a_grid_is_the_same_however_much_follows()
    {
        using var scope = torch.NewDisposeScope();
        Comparison.Exact(new PhiloxNoise(5).Normal(2, 3, 4, 5, 6).flatten(), new PhiloxNoise(5).Normal(720), "reshaped");
        // With a full grid, element i·4·stride + j of one draw does not depend on the draw's size.
        long stride = 132 * 8 * 256, grid = 4 * stride;
        torch.Tensor one = new PhiloxNoise(5).Normal(grid), more = new PhiloxNoise(5).Normal(grid + 12345);
        Comparison.Exact(one, more[..(int)grid], "the first grid");
        // The rest is the next grid, as drawn by a source one grid further on.
        Comparison.Exact(new PhiloxNoise(5, 4).Normal(grid)[..12345], more[(int)grid..], "the second grid");
        Assert.Equal(0, new PhiloxNoise(5).Normal(0, 3).numel());
    }

    [Fact]
    public void Philox_gives_the_published_words()
    {
        // Known answers of Random123's kat_vectors for philox4x32-10.
        Assert.Equal((0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u), new Philox4x32(0).Block(0, 0));
        Assert.Equal((0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu),
            new Philox4x32(ulong.MaxValue).Block(ulong.MaxValue, ulong.MaxValue));
    }

    [Theory]
    [InlineData(new long[] { 5 })]
    [InlineData(new long[] { 3, 700, 2 })]
    [InlineData(new long[] { 1300, 1000 })]
    public void Noise_by_tensor_operations_is_the_same_stream(long[] shape)
    {
        using var scope = torch.NewDisposeScope();
        var expected = new PhiloxNoise(0xFEDCBA9876543210);
        var actual = new DeviceNoise(0xFEDCBA9876543210, torch.CPU);
        for (int draw = 0; draw < 2; draw++)
        {
            Comparison.Elementwise(expected.Normal(shape), actual.Normal(shape), 1e-5, 1e-5, $"normal values of draw {draw}");
            Comparison.Exact(expected.Uniform(shape), actual.Uniform(shape), $"uniform values of draw {draw}");
        }
    }
}
