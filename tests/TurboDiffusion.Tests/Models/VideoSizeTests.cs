using TurboDiffusion.Models;
using Xunit;

namespace TurboDiffusion.Tests.Models;

public class VideoSizeTests
{
    [Theory]
    [InlineData("480p", "16:9", 832, 480)]
    [InlineData("480P", "9:16", 480, 832)]
    [InlineData("480p", "1:1", 640, 640)]
    [InlineData("480p", "3:4", 480, 640)]
    [InlineData("720p", "16:9", 1280, 720)]
    [InlineData("720p", "4:3", 960, 720)]
    [InlineData("720p", "1:1", 960, 960)]
    public void Presets_have_the_sizes_that_the_models_were_trained_at(string resolution, string aspectRatio, int width, int height) =>
        Assert.Equal(new VideoSize(width, height), VideoSize.Preset(resolution, aspectRatio));

    [Fact]
    public void Every_named_resolution_has_every_named_aspect_ratio()
    {
        foreach (string resolution in VideoSize.Resolutions)
            foreach (string aspectRatio in VideoSize.AspectRatios)
                Assert.True(VideoSize.Preset(resolution, aspectRatio).Area > 0);
    }

    [Theory]
    [InlineData("832x480")]
    [InlineData(" 832 X 480 ")]
    [InlineData("832×480")]
    public void Sizes_are_read_from_text(string text)
    {
        Assert.Equal(new VideoSize(832, 480), VideoSize.Parse(text));
        Assert.Equal("832x480", VideoSize.Parse(text).ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("832")]
    [InlineData("832x")]
    [InlineData("832x480x3")]
    [InlineData("-832x480")]
    [InlineData("99999999999x480")]
    public void Text_that_is_no_size_is_refused(string text) =>
        Assert.Contains("832x480", Assert.Throws<InvalidRequestException>(() => VideoSize.Parse(text)).Message);

    [Fact]
    public void Sides_that_are_not_multiples_of_16_are_refused_with_the_nearest_ones()
    {
        InvalidRequestException error = Assert.Throws<InvalidRequestException>(() => VideoSize.Parse("832x490"));
        Assert.Equal("height", error.Parameter);
        Assert.Contains("480 or 496", error.Message);
        Assert.Throws<InvalidRequestException>(() => new VideoSize(0, 16));
        Assert.Throws<InvalidRequestException>(() => new VideoSize(16, -16));
    }

    [Fact]
    public void Unknown_presets_are_refused_with_the_known_ones()
    {
        Assert.Contains("480p, 720p", Assert.Throws<InvalidRequestException>(() => VideoSize.Preset("1080p", "16:9")).Message);
        Assert.Contains("16:9, 9:16", Assert.Throws<InvalidRequestException>(() => VideoSize.Preset("480p", "21:9")).Message);
    }

    [Theory]
    [InlineData(832, 1104, "480p", "16:9", 544, 720)]
    [InlineData(1600, 900, "720p", "16:9", 1280, 720)]
    [InlineData(100, 100, "720p", "16:9", 960, 960)]
    [InlineData(1, 100_000, "480p", "16:9", 16, 199840)]
    public void Adaptive_sizes_keep_the_aspect_of_the_image(int imageWidth, int imageHeight, string resolution, string aspectRatio,
        int width, int height) =>
        Assert.Equal(new VideoSize(width, height), VideoSize.Preset(resolution, aspectRatio).WithAspectOf(imageWidth, imageHeight));

    [Fact]
    public void Adaptive_sizes_keep_the_area_within_the_rounding()
    {
        VideoSize preset = VideoSize.Preset("480p", "16:9");
        for (int width = 100; width <= 400; width += 7)
        {
            VideoSize adapted = preset.WithAspectOf(width, 200);
            Assert.InRange(adapted.Area / (double)preset.Area, 0.95, 1.05);
            Assert.InRange(adapted.Width / (double)adapted.Height / (width / 200.0), 0.95, 1.05);
        }
    }
}
