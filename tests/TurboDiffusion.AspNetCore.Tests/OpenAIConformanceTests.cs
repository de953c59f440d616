using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenAI.Videos;
using SkiaSharp;
using TurboDiffusion.Extensions.Tests;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>OpenAI's own client, over a real connection, against the service.</summary>
public sealed class OpenAIConformanceTests
{
    [Fact]
    public async Task A_video_is_created_polled_and_downloaded()
    {
        await using var service = await TestService.StartAsync();
        var video = await CreateAsync(service.Videos, ("prompt", "a cat on a beach"), ("model", "fake"), ("size", "96x48"),
            ("seconds", "1"), ("seed", "7"));
        var id = Text(video, "id");

        Assert.Matches("^video_[0-9a-f]{32}$", id);
        Assert.Equal("video", Text(video, "object"));
        Assert.Equal("queued", Text(video, "status"));
        Assert.Equal("fake", Text(video, "model"));
        Assert.Equal("96x48", Text(video, "size"));
        Assert.Equal("1", Text(video, "seconds"));
        Assert.InRange(video.GetProperty("created_at").GetInt64(), DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 60,
            DateTimeOffset.UtcNow.ToUnixTimeSeconds());

        var end = await PollAsync(service.Videos, id);
        Assert.Equal("completed", Text(end, "status"));
        Assert.Equal(100, end.GetProperty("progress").GetInt32());
        Assert.Equal(JsonValueKind.Null, end.GetProperty("error").ValueKind);
        Assert.True(end.GetProperty("expires_at").GetInt64() > end.GetProperty("completed_at").GetInt64());

        var content = (await service.Videos.DownloadVideoAsync(id, null, new RequestOptions())).GetRawResponse();
        Assert.Equal(FakeVideoGenerator.Video("a cat on a beach", 7), content.Content.ToArray());
        Assert.Equal("video/mp4", Header(content, "Content-Type"));
        var (request, options) = Assert.Single(service.Generator.Calls);
        Assert.Equal("a cat on a beach", request.Prompt);
        Assert.Equal((96, 48, TimeSpan.FromSeconds(1), 7L),
            (options.VideoSize!.Value.Width, options.VideoSize.Value.Height, options.Duration!.Value, options.Seed!.Value));
    }

    [Theory]
    [InlineData("thumbnail", 64, 32)]
    [InlineData("spritesheet", 128, 32)]
    public async Task Pictures_of_a_video_are_downloaded(string variant, int width, int height)
    {
        await using var service = await TestService.StartAsync();
        var id = Text(await CreateAsync(service.Videos, ("prompt", "a cat")), "id");
        await PollAsync(service.Videos, id);

        var response = (await service.Videos.DownloadVideoAsync(id, variant, new RequestOptions())).GetRawResponse();
        Assert.Equal("image/webp", Header(response, "Content-Type"));
        using var picture = SKBitmap.Decode(response.Content.ToArray());
        Assert.Equal((width, height), (picture.Width, picture.Height));
        // The last picture is the one with most red (the fake's previews grow redder).
        Assert.InRange(picture.GetPixel(width - 2, height / 2).Red, 225, 255);
    }

    [Fact]
    public async Task Videos_are_listed_in_pages_in_both_orders()
    {
        await using var service = await TestService.StartAsync();
        var ids = new List<string>();
        for (var i = 0; i < 5; i++)
            ids.Add(Text(await CreateAsync(service.Videos, ("prompt", $"video {i}")), "id"));

        foreach (var order in (string[])["asc", "desc"])
        {
            var expected = order == "asc" ? ids : [.. Enumerable.Reverse(ids)];
            var first = await ListAsync(service.Videos, 2, order, after: null);
            var second = await ListAsync(service.Videos, 3, order, after: Text(first, "last_id"));
            Assert.Equal(expected, Ids(first).Concat(Ids(second)));
            Assert.True(first.GetProperty("has_more").GetBoolean());
            Assert.False(second.GetProperty("has_more").GetBoolean());
            Assert.Equal("list", Text(first, "object"));
            Assert.Equal(expected[0], Text(first, "first_id"));
        }

        var all = await ListAsync(service.Videos, null, null, null);
        Assert.Equal(Enumerable.Reverse(ids), Ids(all));
        // Whoever deletes between two pages is told, and does not take the rest for all there is.
        await service.Videos.DeleteVideoAsync(ids[1], new RequestOptions());
        var gone = await Assert.ThrowsAsync<ClientResultException>(() => ListAsync(service.Videos, 2, "asc", ids[1]));
        Assert.Equal((400, "after"), (gone.Status,
            Text(TestService.Json(gone.GetRawResponse()!.Content.ToString()).GetProperty("error"), "param")));
        Assert.Equal(ids[2..], Ids(await ListAsync(service.Videos, 5, "asc", ids[0])));
    }

    [Fact]
    public async Task Deleting_cancels_what_runs_and_leaves_nothing()
    {
        await using var service = await TestService.StartAsync();
        service.Generator.Hold();
        var id = Text(await CreateAsync(service.Videos, ("prompt", "running")), "id");
        await TestService.UntilAsync(() => service.Generator.Calls.Count == 1);
        Assert.Equal("in_progress", Text(await service.GetAsync($"/v1/videos/{id}"), "status"));

        var deleted = Parse(await service.Videos.DeleteVideoAsync(id, new RequestOptions()));
        Assert.True(deleted.GetProperty("deleted").GetBoolean());
        Assert.Equal(("video.deleted", id), (Text(deleted, "object"), Text(deleted, "id")));
        await TestService.UntilAsync(() => service.Generator.Cancelled.Contains("running"));

        var missing = await Assert.ThrowsAsync<ClientResultException>(() => service.Videos.GetVideoAsync(id, new RequestOptions()));
        Assert.Equal(404, missing.Status);

        // The worker is free for the next one.
        service.Generator.Release();
        var next = Text(await CreateAsync(service.Videos, ("prompt", "next")), "id");
        Assert.Equal("completed", Text(await PollAsync(service.Videos, next), "status"));
        Assert.Equal([next], Ids(await ListAsync(service.Videos, null, null, null)));
    }

    [Fact]
    public async Task A_remix_has_the_new_prompt_and_all_else_of_the_old_video()
    {
        await using var service = await TestService.StartAsync();
        var image = FakeVideoGenerator.Picture(20, 10, 200);
        var id = Text(await CreateAsync(service.Videos, image, ("prompt", "a cat"), ("size", "96x48"), ("seed", "11"), ("steps", "3")),
            "id");
        await PollAsync(service.Videos, id);

        var remix = await RemixAsync(service.Videos, id, "a dog");
        Assert.Equal(id, Text(remix, "remixed_from_video_id"));
        await PollAsync(service.Videos, Text(remix, "id"));
        var calls = service.Generator.Calls.ToArray();
        Assert.Equal("a dog", calls[1].Request.Prompt);
        Assert.Equal((calls[0].Options.Seed, calls[0].Options.VideoSize), (calls[1].Options.Seed, calls[1].Options.VideoSize));
        Assert.All(calls, call => Assert.Equal(image, ((Microsoft.Extensions.AI.DataContent)call.Request.StartFrame!).Data.ToArray()));
    }

    [Fact]
    public async Task An_end_image_goes_with_a_start_image_and_stays_with_a_remix()
    {
        await using var service = await TestService.StartAsync();
        byte[] first = FakeVideoGenerator.Picture(20, 10, 200), last = FakeVideoGenerator.Picture(20, 10, 50);
        string Url(byte[] image) => $"data:image/png;base64,{Convert.ToBase64String(image)}";
        var json = JsonSerializer.Serialize(new { prompt = "a cat", input_reference = Url(first), end_image = Url(last) });
        var id = Text(Parse(await service.Videos.CreateVideoAsync(
            BinaryContent.Create(BinaryData.FromString(json)), "application/json", new RequestOptions())), "id");
        await PollAsync(service.Videos, id);
        var remix = await RemixAsync(service.Videos, id, "a dog");
        await PollAsync(service.Videos, Text(remix, "id"));
        Assert.Equal(2, service.Generator.Calls.Count);
        foreach (var (request, _) in service.Generator.Calls)
        {
            Assert.Equal(first, Bytes(request.StartFrame));
            Assert.Equal(last, Bytes(request.EndFrame));
        }

        json = JsonSerializer.Serialize(new { prompt = "a cat", end_image = Url(last) });
        var alone = await Assert.ThrowsAsync<ClientResultException>(() => service.Videos.CreateVideoAsync(
            BinaryContent.Create(BinaryData.FromString(json)), "application/json", new RequestOptions()));
        Assert.Equal(400, alone.Status);
        Assert.Contains("input_reference", alone.Message, StringComparison.Ordinal);

        static byte[] Bytes(Microsoft.Extensions.AI.AIContent? content) => ((Microsoft.Extensions.AI.DataContent)content!).Data.ToArray();
    }

    [Fact]
    public async Task A_failed_video_says_why_and_has_no_content()
    {
        await using var service = await TestService.StartAsync();
        service.Generator.Failure = prompt => prompt == "bad"
            ? new InvalidRequestException("size", "The size is odd.")
            : new InvalidOperationException("secret");
        var bad = Text(await CreateAsync(service.Videos, ("prompt", "bad")), "id");
        var broken = Text(await CreateAsync(service.Videos, ("prompt", "broken")), "id");

        var error = (await PollAsync(service.Videos, bad)).GetProperty("error");
        Assert.Equal(("invalid_request", "The size is odd."), (Text(error, "code"), Text(error, "message")));
        error = (await PollAsync(service.Videos, broken)).GetProperty("error");
        Assert.Equal("server_error", Text(error, "code"));
        Assert.DoesNotContain("secret", Text(error, "message"));
        var content = await Assert.ThrowsAsync<ClientResultException>(() =>
            service.Videos.DownloadVideoAsync(bad, null, new RequestOptions()));
        Assert.Equal(404, content.Status);
    }

    /// <summary>Where things are on the server is in its log, and nowhere that a client sees.</summary>
    [Fact]
    public async Task No_error_of_the_service_tells_a_client_a_path()
    {
        const string Secret = "/srv/secret/model.safetensors";
        using var log = new LogCollector(LogLevel.Error);
        await using var service = await TestService.StartAsync(
            services: services => services.AddLogging(logging => logging.AddProvider(log)));
        (string Prompt, Exception Failure, string Word)[] faults =
        [
            ("file", new CheckpointException(Secret, "is damaged"), "error in the service"),
            ("disk", new EnvironmentException("disk", $"{Secret}: no space left on device"), "(disk)"),
            ("setting", new InvalidRequestException("lora", $"{Secret} is no LoRA"), "error in the service"),
            ("bug", new IOException(Secret), "error in the service"),
            ("memory", new InsufficientMemoryException("Decoding", 3L << 30, 1L << 30, "Ask for fewer frames."), "fewer frames"),
        ];
        service.Generator.Failure = prompt => faults.Single(fault => fault.Prompt == prompt).Failure;
        foreach (var (prompt, failure, word) in faults)
        {
            var id = Text(await CreateAsync(service.Videos, ("prompt", prompt)), "id");
            var end = await PollAsync(service.Videos, id);
            Assert.Equal("server_error", Text(end.GetProperty("error"), "code"));
            Assert.Contains(word, Text(end.GetProperty("error"), "message"));
            var events = await service.Http.GetStringAsync($"/v1/videos/{id}/events");
            var content = await (await service.Http.GetAsync($"/v1/videos/{id}/content")).Content.ReadAsStringAsync();
            Assert.DoesNotContain("secret", end.GetRawText() + events + content);
            Assert.Contains(log.Entries, entry => entry.Exception == failure && entry.Message.Contains(id, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task A_part_of_a_video_is_downloaded()
    {
        await using var service = await TestService.StartAsync();
        var id = Text(await CreateAsync(service.Videos, ("prompt", "a cat"), ("seed", "1")), "id");
        await PollAsync(service.Videos, id);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/videos/{id}/content") { Headers = { Range = new(2, 6) } };
        using var response = await service.Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.PartialContent, response.StatusCode);
        Assert.Equal(FakeVideoGenerator.Video("a cat", 1)[2..7], await response.Content.ReadAsByteArrayAsync());
        Assert.Equal("bytes", response.Headers.AcceptRanges.Single());
        Assert.NotNull(response.Headers.ETag);
    }

    [Theory]
    [InlineData("bytes=-5", 206, "^.{5}$")]
    [InlineData("bytes=3-", 206, "ideo of a cat, seed 1$")]
    [InlineData("bytes=20-9999", 206, "1$")]
    [InlineData("bytes=9999-", 416, "^$")]
    [InlineData("bytes=-0", 416, "^$")]
    // Several parts at once, and what is none, are answered with the whole, as HTTP lets a server.
    [InlineData("bytes=0-1,4-5", 200, "^a video of a cat, seed 1$")]
    [InlineData("bytes=5-2", 200, "^a video of a cat, seed 1$")]
    [InlineData("bytes=x", 200, "^a video of a cat, seed 1$")]
    public async Task Odd_parts_are_answered_as_HTTP_says(string range, int status, string content)
    {
        await using var service = await TestService.StartAsync();
        var id = Text(await CreateAsync(service.Videos, ("prompt", "a cat"), ("seed", "1")), "id");
        await PollAsync(service.Videos, id);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/videos/{id}/content");
        Assert.True(request.Headers.TryAddWithoutValidation("Range", range));
        using var response = await service.Http.SendAsync(request);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Matches(content, await response.Content.ReadAsStringAsync());

        using var again = new HttpRequestMessage(HttpMethod.Get, $"/v1/videos/{id}/content");
        again.Headers.Range = new(0, 3);
        again.Headers.IfRange = new("\"another\"");
        using var whole = await service.Http.SendAsync(again);
        Assert.Equal(HttpStatusCode.OK, whole.StatusCode);
    }

    [Fact]
    public async Task Models_are_listed()
    {
        await using var service = await TestService.StartAsync();
        var models = await new OpenAI.Models.OpenAIModelClient(
            new ApiKeyCredential("any"), new OpenAI.OpenAIClientOptions { Endpoint = new Uri(service.Address, "/v1") }).GetModelsAsync();
        Assert.Equal(["fake"], models.Value.Select(model => model.Id));
    }

    internal static async Task<JsonElement> CreateAsync(VideoClient client, params (string Name, string Value)[] fields) =>
        await CreateAsync(client, null, fields);

    internal static async Task<JsonElement> CreateAsync(VideoClient client, byte[]? image, params (string Name, string Value)[] fields)
    {
        using var form = new MultipartFormDataContent();
        foreach (var (name, value) in fields)
            form.Add(new StringContent(value), name);
        if (image is not null)
            form.Add(new ByteArrayContent(image), "input_reference", "cat.png");

        using var body = new MemoryStream();
        await form.CopyToAsync(body);
        body.Position = 0;
        return Parse(await client.CreateVideoAsync(BinaryContent.Create(body), form.Headers.ContentType!.ToString(), new RequestOptions()));
    }

    internal static async Task<JsonElement> RemixAsync(VideoClient client, string id, string prompt) =>
        Parse(await client.CreateVideoRemixAsync(
            id, BinaryContent.Create(BinaryData.FromObjectAsJson(new { prompt })), "application/json", new RequestOptions()));

    internal static async Task<JsonElement> PollAsync(VideoClient client, string id)
    {
        for (var i = 0; i < TestService.Patience; i++)
        {
            var video = Parse(await client.GetVideoAsync(id, new RequestOptions()));
            if (Text(video, "status") is "completed" or "failed")
                return video;

            await Task.Delay(10);
        }

        throw new TimeoutException($"The video {id} has not ended.");
    }

    internal static async Task<JsonElement> ListAsync(VideoClient client, int? limit, string? order, string? after)
    {
        // The client reads pages itself; the first one is what this call asks for.
        await foreach (var page in client.GetVideosAsync(limit, order, after, new RequestOptions()).GetRawPagesAsync())
            return Parse(page);

        throw new InvalidOperationException("There was no page.");
    }

    private static string[] Ids(JsonElement list) => [.. list.GetProperty("data").EnumerateArray().Select(video => Text(video, "id"))];

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    private static JsonElement Parse(ClientResult result) => TestService.Json(Encoding.UTF8.GetString(result.GetRawResponse().Content));

    private static string? Header(PipelineResponse response, string name) => response.Headers.TryGetValue(name, out var value)
        ? value
        : null;
}
