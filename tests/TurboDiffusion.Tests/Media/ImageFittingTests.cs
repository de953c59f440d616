using TorchSharp;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Models;
using Xunit;

namespace TurboDiffusion.Tests.Media;

public class ImageFittingTests
{
    /// <summary>Computed by the official code: Wan2.2, wan/utils/utils.py, best_output_size; Wan2.1, wan/image2video.py.</summary>
    [Theory]
    [InlineData(ImageFit.LanczosCrop, "1280x704", 32, 1920, 1080, "1248x704")]
    [InlineData(ImageFit.LanczosCrop, "1280x704", 32, 1080, 1920, "704x1248")]
    [InlineData(ImageFit.LanczosCrop, "1280x704", 32, 1000, 1000, "960x928")]
    [InlineData(ImageFit.LanczosCrop, "1280x704", 32, 640, 480, "1088x800")]
    [InlineData(ImageFit.LanczosCrop, "1280x704", 32, 3000, 700, "1952x448")]
    [InlineData(ImageFit.LanczosCrop, "1280x704", 32, 333, 517, "768x1152")]
    [InlineData(ImageFit.LanczosCrop, "1280x704", 32, 704, 1280, "704x1280")]
    [InlineData(ImageFit.Bicubic, "832x480", 16, 1920, 1080, "832x464")]
    [InlineData(ImageFit.Bicubic, "832x480", 16, 1000, 1000, "624x624")]
    [InlineData(ImageFit.Bicubic, "832x480", 16, 333, 517, "496x784")]
    [InlineData(ImageFit.Bilinear, "832x480", 16, 333, 517, "512x784")]
    public void The_size_follows_the_image_as_the_models_authors_have_it(
        ImageFit fit, string usual, int multiple, int width, int height, string expected) =>
        Assert.Equal(VideoSize.Parse(expected), ImageFitting.SizeFor(fit, VideoSize.Parse(usual), width, height, multiple));

    [Theory]
    [InlineData(ImageFit.Bilinear)]
    [InlineData(ImageFit.Bicubic)]
    [InlineData(ImageFit.LanczosCrop)]
    public void Any_image_becomes_a_frame_of_any_size(ImageFit fit)
    {
        foreach ((int rows, int columns) in ((int, int)[])[(1, 1), (1, 300), (300, 1), (33, 47), (48, 64)])
        {
            using var scope = torch.NewDisposeScope();
            torch.Tensor image = torch.full([3, rows, columns], 51, torch.uint8);
            Assert.InRange(ImageFitting.SizeFor(fit, new(64, 48), columns, rows, 16).Area, 1, 1 << 20);
            Comparison.Elementwise(torch.full([3, 48, 64], -0.6f), ImageFitting.ToModelInput(fit, image, new(64, 48)), 0, 1e-5,
                $"a grey image of {columns}x{rows}");
        }
    }

    [Theory]
    [InlineData(16, 16, 32, 32, 0, 0, 32, 32)]
    [InlineData(720, 1280, 360, 640, 0, 0, 360, 640)]
    [InlineData(16, 16, 16, 48, 0, 16, 16, 16)]
    [InlineData(16, 16, 48, 16, 16, 0, 16, 16)]
    [InlineData(10, 30, 70, 30, 30, 0, 10, 30)]
    [InlineData(480, 832, 1080, 1920, 0, 24, 1080, 1872)]
    [InlineData(9, 16, 1, 1, 0, 0, 1, 1)]
    public void A_last_frame_is_the_middle_that_has_the_firsts_aspect_ratio(
        int firstRows, int firstColumns, int rows, int columns, int top, int left, int keptRows, int keptColumns)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor last = torch.arange(3L * rows * columns).view(3, rows, columns);
        Comparison.Exact(last[.., top..(top + keptRows), left..(left + keptColumns)],
            ImageFitting.CropToAspectOf(last, torch.zeros(3, firstRows, firstColumns)), "the middle");
    }

    [Fact]
    public void Cropping_stretches_nothing_and_keeps_the_middle()
    {
        using var scope = torch.NewDisposeScope();
        // Three squares side by side; the frame is the one in the middle.
        torch.Tensor image = torch.cat([.. ((int[])[0, 200, 100]).Select(level => torch.full([3, 16, 16], level, torch.uint8))], dim: 2);
        Comparison.Elementwise(torch.full([3, 16, 16], 200 / 127.5f - 1),
            ImageFitting.ToModelInput(ImageFit.LanczosCrop, image, new(16, 16)), 0, 1e-5, "frame");
    }
}
