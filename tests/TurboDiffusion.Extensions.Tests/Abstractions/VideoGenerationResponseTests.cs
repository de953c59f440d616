using System.Text.Json;
using Microsoft.Extensions.AI;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Abstractions;

public sealed class VideoGenerationResponseTests
{
    [Fact]
    public async Task Combined_updates_hold_the_finished_videos_and_no_previews()
    {
        var fromList = Videos.Updates().ToVideoGenerationResponse();
        var fromStream = await Videos.Updates().ToAsyncEnumerable()
            .ToVideoGenerationResponseAsync(TestContext.Current.CancellationToken);

        foreach (var response in new[] { fromList, fromStream })
        {
            Assert.Equal("video/mp4", Assert.IsType<DataContent>(Assert.Single(response.Contents)).MediaType);
            Assert.Equal("response-1", response.ResponseId);
            Assert.Equal("test-model-2", response.ModelId);
        }
    }

    [Fact]
    public void A_response_becomes_updates_and_back()
    {
        var response = Videos.Response(Videos.Data(1), Videos.Data(2));
        response.Usage = new UsageDetails { InputTokenCount = 12 };
        response.AdditionalProperties = new() { ["key"] = "value" };

        var updates = response.ToVideoGenerationResponseUpdates();
        var back = updates.ToVideoGenerationResponse();

        Assert.Equal(3, updates.Length);
        Assert.All(updates, update => Assert.Equal(VideoGenerationResponseUpdateKind.VideoUpdated, update.Kind));
        Assert.Equal(response.Contents, back.Contents);
        Assert.Equal(12, back.Usage!.InputTokenCount);
        Assert.Equal("value", back.AdditionalProperties!["key"]);
    }

    [Fact]
    public void A_response_survives_JSON_with_its_video_info()
    {
        var response = Videos.Response(Videos.Data(5, 6), Videos.File("/videos/a b.mp4"));

        var json = JsonSerializer.Serialize(response, AIJsonUtilities.DefaultOptions);
        var read = JsonSerializer.Deserialize<VideoGenerationResponse>(json, AIJsonUtilities.DefaultOptions)!;

        Assert.Equal([5, 6], Assert.IsType<DataContent>(read.Contents[0]).Data.ToArray());
        Assert.Equal("/videos/a b.mp4", Assert.IsType<UriContent>(read.Contents[1]).Uri.LocalPath);
        Assert.All(read.Contents, content => Assert.Equal(Videos.Info, content.GetVideoInfo()));
        Assert.Equal("response-1", read.ResponseId);
    }

    [Fact]
    public void Contents_without_video_info_tell_none()
    {
        Assert.Null(new DataContent(new byte[] { 1 }, "video/mp4").GetVideoInfo());
    }

    [Fact]
    public void A_video_plays_for_its_frames_over_its_rate()
    {
        Assert.Equal(17 / 16.0, Videos.Info.Duration.TotalSeconds, 6);
    }

    [Fact]
    public void Update_kinds_compare_without_regard_to_case_and_survive_JSON()
    {
        var kind = new VideoGenerationResponseUpdateKind("QUEUED");

        Assert.True(kind == VideoGenerationResponseUpdateKind.Queued);
        Assert.Equal(kind.GetHashCode(), VideoGenerationResponseUpdateKind.Queued.GetHashCode());
        Assert.True(kind != VideoGenerationResponseUpdateKind.FramesUpdated);
        Assert.Equal("\"QUEUED\"", JsonSerializer.Serialize(kind));
        Assert.Equal(kind, JsonSerializer.Deserialize<VideoGenerationResponseUpdateKind>("\"queued\""));
        Assert.Throws<ArgumentException>(() => new VideoGenerationResponseUpdateKind(" "));
    }
}
