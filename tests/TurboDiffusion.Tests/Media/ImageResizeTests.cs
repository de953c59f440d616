using CsCheck;
using TorchSharp;
using TurboDiffusion.Generation.Media;
using Xunit;

namespace TurboDiffusion.Tests.Media;

public class ImageResizeTests
{
    private readonly torch.Generator _random = new(1);

    [Fact]
    public void Enlarging_interpolates_between_pixel_centres() => Assert.Equal([0, 25, 75, 100], Row([0, 100], 4));

    [Fact]
    public void Reducing_averages_with_a_triangle() => Assert.Equal([0, 109], Row([0, 0, 0, 255], 2));

    [Fact]
    public void The_same_size_is_the_same_image()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor image = torch.randint(0, 256, [3, 20, 30], torch.uint8, generator: _random);
        Comparison.Exact(image, ImageResize.Bilinear(image, 30, 20), "image");
    }

    [Fact]
    public void The_weights_of_every_output_pixel_sum_to_one() =>
        Gen.Select(Gen.Int[1, 300], Gen.Int[1, 300]).Sample((inSize, outSize) =>
        {
            using var scope = torch.NewDisposeScope();
            torch.Tensor filter = ImageResize.Filter(inSize, outSize);
            return filter.min().item<float>() >= 0 && (filter.sum(1) - 1).abs().max().item<float>() < 1e-5;
        }, iter: 100, threads: 1);

    [Fact]
    public void Levels_map_to_minus_one_and_one()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor image = torch.tensor(new byte[] { 0, 255, 51 }, [3, 1, 1], torch.uint8);
        Comparison.Elementwise(torch.tensor(new float[] { -1, 1, -0.6f }, [3, 1, 1]).expand(3, 2, 2), ImageResize.ToModelInput(image, 2, 2),
            0, 1e-6, "image");
    }

    private static int[] Row(byte[] pixels, int width)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor image = torch.tensor(pixels, [1, 1, pixels.Length], torch.uint8).expand(3, 1, pixels.Length);
        torch.Tensor resized = ImageResize.Bilinear(image, width, 1);
        return [.. resized[1, 0].data<byte>().Select(b => (int)b)];
    }
}
