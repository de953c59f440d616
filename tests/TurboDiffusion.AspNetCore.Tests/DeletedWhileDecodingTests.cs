using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>A video that is deleted while its frames are decoded.</summary>
public sealed class DeletedWhileDecodingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-deleted-").FullName;

    [Fact]
    public async Task It_ends_within_a_layer_and_leaves_nothing()
    {
        string data = Path.Combine(_folder, "data"), temporary = Directory.CreateDirectory(Path.Combine(_folder, "temporary")).FullName;
        await using var service = await CommandProcess.ServeInAsync(
            temporary, "--data", data, "--model", CommandProcess.SmallModelFolder);
        var id = await CreateAsync(service, "384x320", frames: 33);
        var next = await CreateAsync(service, "32x32", frames: 5);
        // Frames come four at a time, each time through some fifty layers.
        var chunks = new List<TimeSpan>();
        var watch = Stopwatch.StartNew();
        await foreach (var video in EventsAsync(service, id))
        {
            if (video.GetProperty("stage").GetString() != "decoding")
                continue;

            chunks.Add(watch.Elapsed);
            if (chunks.Count == 4)
                break;
        }

        // None, one frame, four, four.
        var chunk = chunks[3] - chunks[2];
        Assert.NotEmpty(Directory.GetFileSystemEntries(temporary));
        watch.Restart();
        var following = Task.Run(async () =>
        {
            await foreach (var video in EventsAsync(service, next))
            {
                if (video.GetProperty("status").GetString() != "queued")
                    return watch.Elapsed;
            }

            throw new InvalidOperationException("It was never run.");
        });
        Assert.Equal(HttpStatusCode.OK, (await service.Http.DeleteAsync($"/v1/videos/{id}")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await service.Http.GetAsync($"/v1/videos/{id}")).StatusCode);
        // The next one begins when the deleted one has ended.
        var ended = await following;
        TestContext.Current.TestOutputHelper!.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"four frames take {chunk.TotalMilliseconds:0} ms; ended {ended.TotalMilliseconds:0} ms after the request to delete"));
        Assert.True(ended < chunk / 2, $"It ended after {ended}; four frames take {chunk}.");

        var end = await EventsAsync(service, next).LastAsync();
        Assert.Equal("completed", end.GetProperty("status").GetString());
        Assert.Equal([next], Directory.GetDirectories(Path.Combine(data, "videos")).Select(Path.GetFileName));
        Assert.Empty(Directory.GetFileSystemEntries(temporary, ".turbodiffusion-*"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task<string> CreateAsync(CommandProcess service, string size, int frames)
    {
        using var answer = await service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a cat", size, frames, steps = 1 });
        return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!;
    }

    private static async IAsyncEnumerable<JsonElement> EventsAsync(CommandProcess service, string id)
    {
        await using var stream = await service.Http.GetStreamAsync($"/v1/videos/{id}/events");
        await foreach (var item in SseParser.Create(stream).EnumerateAsync())
        {
            if (item.EventType != "video.preview")
                yield return TestService.Json(item.Data);
        }
    }
}
