using System.Net;
using System.Net.ServerSentEvents;
using System.Text.Json;
using SkiaSharp;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>The progress of a video as server-sent events.</summary>
public sealed class EventsTests
{
    [Fact]
    public async Task Progress_previews_and_the_end_are_told()
    {
        await using var service = await TestService.StartAsync();
        service.Generator.Hold();
        var id = await CreateAsync(service, "a cat");
        await TestService.UntilAsync(() => service.Generator.Calls.Count == 1);
        var reading = ReadAsync(service, id, _ => service.Generator.Release());
        var events = await reading;

        Assert.Equal("in_progress", events[0].Data.GetProperty("status").GetString());
        Assert.Contains(events, e => e is { Kind: "video.progress" } && e.Data.GetProperty("stage").GetString() == "denoising"
            && e.Data.GetProperty("seconds_left").ValueKind == JsonValueKind.Number);
        int[] percents = [.. events.Where(e => e.Kind != "video.preview").Select(e => e.Data.GetProperty("progress").GetInt32())];
        Assert.Equal(percents.Order(), percents);
        var previews = events.Where(e => e.Kind == "video.preview").ToArray();
        Assert.Equal(3, previews.Length);
        Assert.Equal("video.preview", events.First(e => e.Data.TryGetProperty("image", out _)).Kind);
        var image = previews[0].Data.GetProperty("image").GetString()!;
        Assert.StartsWith("data:image/webp;base64,", image);
        using var picture = SKBitmap.Decode(Convert.FromBase64String(image.Split(',')[1]));
        Assert.Equal((64, 32), (picture.Width, picture.Height));
        Assert.Equal(("video.completed", 100), (events[^1].Kind, events[^1].Data.GetProperty("progress").GetInt32()));
    }

    [Fact]
    public async Task A_waiting_video_tells_its_place()
    {
        await using var service = await TestService.StartAsync();
        service.Generator.Hold();
        await CreateAsync(service, "first");
        await TestService.UntilAsync(() => service.Generator.Calls.Count == 1);
        await CreateAsync(service, "second");
        var third = await CreateAsync(service, "third");
        var events = await ReadAsync(service, third, _ => service.Generator.Release());
        Assert.Equal(2, events[0].Data.GetProperty("queue_position").GetInt32());
        Assert.Equal("video.completed", events[^1].Kind);
    }

    [Fact]
    public async Task A_finished_video_tells_its_end_at_once_and_a_missing_one_is_an_error()
    {
        await using var service = await TestService.StartAsync();
        var id = await CreateAsync(service, "a cat");
        await service.EndOfAsync(id);
        Assert.Equal("video.completed", Assert.Single(await ReadAsync(service, id)).Kind);
        Assert.Equal(HttpStatusCode.NotFound, (await service.Http.GetAsync($"/v1/videos/video_{new string('0', 32)}/events")).StatusCode);
    }

    [Fact]
    public async Task Deleting_ends_the_events_and_a_watcher_that_leaves_disturbs_nobody()
    {
        await using var service = await TestService.StartAsync();
        service.Generator.Hold();
        var id = await CreateAsync(service, "a cat");
        using (var leaving = await service.Http.GetAsync($"/v1/videos/{id}/events", HttpCompletionOption.ResponseHeadersRead))
            Assert.Equal("text/event-stream", leaving.Content.Headers.ContentType?.MediaType);

        var events = await ReadAsync(service, id, _ => service.Http.DeleteAsync($"/v1/videos/{id}").ContinueWith(_ => { }));
        Assert.All(events, e => Assert.Equal("video.progress", e.Kind));
    }

    private static async Task<List<(string Kind, JsonElement Data)>> ReadAsync(
        TestService service, string id, Action<string>? onFirst = null)
    {
        await using var stream = await service.Http.GetStreamAsync($"/v1/videos/{id}/events");
        var events = new List<(string, JsonElement)>();
        await foreach (var item in SseParser.Create(stream).EnumerateAsync())
        {
            events.Add((item.EventType, TestService.Json(item.Data)));
            if (events.Count == 1)
                onFirst?.Invoke(item.EventType);
        }

        return events;
    }

    private static async Task<string> CreateAsync(TestService service, string prompt) =>
        (await OpenAIConformanceTests.CreateAsync(service.Videos, ("prompt", prompt))).GetProperty("id").GetString()!;
}
