using SkiaSharp;
using TurboDiffusion.Generation.Media;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>Pictures of videos whose making showed none.</summary>
public sealed class PictureTests
{
    [Fact]
    public async Task Without_previews_they_are_frames_of_the_video()
    {
        await using var service = await TestService.StartAsync(options => options.Previews = 0);
        service.Generator.Bytes = (_, _) => TestClip.Bytes;
        var id = (await OpenAIConformanceTests.CreateAsync(service.Videos, ("prompt", "a cat"))).GetProperty("id").GetString()!;
        Assert.True((await service.EndOfAsync(id)).GetProperty("has_pictures").GetBoolean());
        using var thumbnail = SKBitmap.Decode(await service.Http.GetByteArrayAsync($"/v1/videos/{id}/content?variant=thumbnail"));
        using var sheet = SKBitmap.Decode(await service.Http.GetByteArrayAsync($"/v1/videos/{id}/content?variant=spritesheet"));
        Assert.InRange(thumbnail.Width, 1, 320);
        Assert.Equal(0, sheet.Width % thumbnail.Width);
    }

    [Fact]
    public async Task A_video_that_cannot_be_read_has_none()
    {
        await using var service = await TestService.StartAsync(options => options.Previews = 0);
        var id = (await OpenAIConformanceTests.CreateAsync(service.Videos, ("prompt", "a cat"))).GetProperty("id").GetString()!;
        var video = await service.EndOfAsync(id);
        Assert.Equal(("completed", false), (video.GetProperty("status").GetString(), video.GetProperty("has_pictures").GetBoolean()));
        using var answer = await service.Http.GetAsync($"/v1/videos/{id}/content?variant=thumbnail");
        Assert.Contains("variant_not_found", await answer.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData(4, 16, 4)]
    [InlineData(100, 16, 16)]
    [InlineData(1, 16, 1)]
    public async Task They_are_evenly_spaced(int count, int frames, int expected)
    {
        var path = Path.GetTempFileName();
        await File.WriteAllBytesAsync(path, TestClip.Bytes);
        var pictures = await VideoPictures.ReadAsync(path, count, maxWidth: 40, frames);
        File.Delete(path);
        Assert.Equal(expected, pictures.Count);
        foreach (var picture in pictures)
        {
            using var decoded = SKBitmap.Decode(picture);
            Assert.Equal(40, decoded.Width);
        }
    }
}
