using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>What the served model cannot make is refused when it is asked for, not when it runs.</summary>
public sealed class SubmissionTests
{
    [Theory]
    [InlineData("""{"prompt": "a", "size": "33x32"}""", "size", "multiple of 16")]
    [InlineData("""{"prompt": "a", "size": "64x8"}""", "size", "multiple of 16")]
    [InlineData("""{"prompt": "a", "frames": 6}""", "frames", "6")]
    [InlineData("""{"prompt": "a", "steps": 99}""", "steps", "1 to 4 steps")]
    [InlineData("""{"prompt": "a", "seconds": 30}""", "seconds", "at most 161")]
    [InlineData("""{"prompt": "a", "seconds": 3000}""", "seconds", "frames")]
    [InlineData("""{"prompt": "a", "aspect_ratio": "wide"}""", "aspect_ratio", "16:9")]
    [InlineData("""{"prompt": "a", "input_reference": "IMAGE"}""", "input_reference", "from text alone")]
    public async Task It_is_refused_at_once_with_its_field(string body, string field, string message)
    {
        using var generator = Generator();
        var folder = Directory.CreateTempSubdirectory("turbodiffusion-submission-").FullName;
        await using (var service = await TestService.StartAsync(folder: folder, inner: generator))
        {
            var image = $"data:image/png;base64,{Convert.ToBase64String(FakeVideoGenerator.Picture(32, 32, 9))}";
            using var content = new StringContent(body.Replace("IMAGE", image, StringComparison.Ordinal), null, "application/json");
            using var response = await service.Http.PostAsync("/v1/videos", content);
            var error = TestService.Json(await response.Content.ReadAsStringAsync()).GetProperty("error");
            Assert.Equal((HttpStatusCode.BadRequest, field, "invalid_request_error"),
                (response.StatusCode, error.GetProperty("param").GetString(), error.GetProperty("type").GetString()));
            Assert.Contains(message, error.GetProperty("message").GetString());
            Assert.Equal(0, (await service.GetAsync("/v1/videos")).GetProperty("data").GetArrayLength());
            Assert.Empty(Directory.GetDirectories(Path.Combine(folder, "videos")));
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task What_passes_is_made_as_the_check_said_and_a_remix_is_checked_as_well()
    {
        using var generator = Generator();
        await using var service = await TestService.StartAsync(inner: generator);
        var plan = await generator.GetService<IVideoRequestCheck>()!.CheckAsync(
            new VideoGenerationRequest("a"),
            new VideoGenerationOptions { VideoSize = new(64, 32), Duration = TimeSpan.FromSeconds(0.6), Seed = 3 });
        using var response = await service.Http.PostAsJsonAsync(
            "/v1/videos", new { prompt = "a", size = "64x32", seconds = 0.6, steps = 1 });
        var id = TestService.Json(await response.Content.ReadAsStringAsync()).GetProperty("id").GetString()!;
        var video = await service.EndOfAsync(id);
        Assert.Equal("completed", video.GetProperty("status").GetString());
        Assert.Equal(3, plan.Seed);
        Assert.Equal(($"{plan.Width}x{plan.Height}", plan.FrameCount, plan.FramesPerSecond),
            (video.GetProperty("size").GetString(), video.GetProperty("frames").GetInt32(), video.GetProperty("fps").GetDouble()));
        using var remix = await service.Http.PostAsJsonAsync($"/v1/videos/{id}/remix", new { prompt = " " });
        Assert.Equal(HttpStatusCode.BadRequest, remix.StatusCode);
    }

    [Fact]
    public async Task A_prompt_from_outside_the_models_world_is_told_when_it_is_accepted_and_stays_with_the_video()
    {
        using var generator = new TurboDiffusionVideoGenerator(new TurboDiffusionOptions { Model = "shapes", Device = "cpu" });
        await using var service = await TestService.StartAsync(inner: generator);

        async Task<JsonElement> Accepted(string prompt)
        {
            using var response = await service.Http.PostAsJsonAsync("/v1/videos", new { prompt, size = "64x32", frames = 5, steps = 1 });
            return TestService.Json(await response.Content.ReadAsStringAsync());
        }

        var accepted = await Accepted("a red dog bounces");
        Assert.Equal("queued", accepted.GetProperty("status").GetString());
        var note = accepted.GetProperty("note").GetString();
        Assert.StartsWith("The model shapes does not know 'dog' and draws what it does know. Ask for instance for: \"", note);
        var id = accepted.GetProperty("id").GetString()!;
        Assert.Equal(note, (await service.GetAsync($"/v1/videos/{id}")).GetProperty("note").GetString());
        var video = await service.EndOfAsync(id);
        Assert.Equal(("completed", note), (video.GetProperty("status").GetString(), video.GetProperty("note").GetString()));
        Assert.Equal(JsonValueKind.Null, (await Accepted("a red circle bounces")).GetProperty("note").ValueKind);
    }

    [Fact]
    public async Task A_remix_of_what_the_model_of_today_cannot_make_is_refused_and_leaves_nothing()
    {
        using var generator = Generator();
        var folder = Directory.CreateTempSubdirectory("turbodiffusion-submission-").FullName;
        string id;
        using var earlier = new FakeVideoGenerator(generator.GetService<VideoGeneratorMetadata>()!.DefaultModelId!);
        await using (var service = await TestService.StartAsync(folder: folder, inner: earlier))
        {
            using var response = await service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a", size = "33x32" });
            id = TestService.Json(await response.Content.ReadAsStringAsync()).GetProperty("id").GetString()!;
            Assert.Equal("completed", (await service.EndOfAsync(id)).GetProperty("status").GetString());
        }

        await using (var service = await TestService.StartAsync(folder: folder, inner: generator))
        {
            using var remix = await service.Http.PostAsJsonAsync($"/v1/videos/{id}/remix", new { prompt = "b" });
            var error = TestService.Json(await remix.Content.ReadAsStringAsync()).GetProperty("error");
            Assert.Equal((HttpStatusCode.BadRequest, "size"), (remix.StatusCode, error.GetProperty("param").GetString()));
            Assert.Contains("multiple of 16", error.GetProperty("message").GetString());
            Assert.Equal(1, (await service.GetAsync("/v1/videos")).GetProperty("data").GetArrayLength());
            Assert.Equal([id], Directory.GetDirectories(Path.Combine(folder, "videos")).Select(Path.GetFileName));
        }

        Directory.Delete(folder, recursive: true);
    }

    /// <summary>As at a worker whose front end does not have the model.</summary>
    [Theory]
    [InlineData(30, "at most 161")]
    [InlineData(3000, "frames")]
    public async Task What_was_accepted_without_the_model_is_no_longer_than_the_service_makes(double seconds, string message)
    {
        using var generator = Generator();
        var folder = Directory.CreateTempSubdirectory("turbodiffusion-submission-").FullName;
        var runner = new VideoJobRunner(
            new FolderVideoFileStore(folder), Options.Create(new VideoServiceOptions()), TimeProvider.System,
            NullLogger<VideoJobRunner>.Instance);
        var request = new VideoJobRequest { Prompt = "a", Seconds = seconds };
        var job = new VideoJobSubmission("a", request).Accept("small", DateTimeOffset.UtcNow);
        var ended = await runner.RunToEndAsync(generator, job, (_, _) => Assert.Fail("It was begun."), CancellationToken.None);
        Assert.Equal((VideoJobStatus.Failed, "invalid_request"), (ended.Status, ended.Error!.Code));
        Assert.Contains(message, ended.Error.Message);
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>A tool's prompt is within the service's bounds, too.</summary>
    [Fact]
    public async Task A_tools_prompt_is_as_long_as_the_service_takes()
    {
        await using var service = await TestService.StartAsync(options => options.MaxPromptLength = 10);
        using var tool = new JobsVideoGenerator(
            service.Services.GetRequiredService<IVideoJobs>(), "local", new Uri(service.Address, "/v1"));
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => tool.GenerateVideoAsync(new string('x', 11)));
        Assert.Equal("prompt", error.Parameter);
        Assert.Empty(service.Generator.Calls);
        Assert.Single((await tool.GenerateVideoAsync(new string('x', 10))).Contents);
    }

    [Fact]
    public async Task Options_that_the_application_sets_count_for_the_check()
    {
        using var generator = Generator();
        using var configured = new ConfigureOptionsVideoGenerator(generator, options => options.VideoSize = new(33, 32));
        var check = configured.GetService<IVideoRequestCheck>()!;
        var error = await Assert.ThrowsAsync<InvalidRequestException>(async () =>
            await check.CheckAsync(new VideoGenerationRequest("a"), new VideoGenerationOptions { VideoSize = new(32, 32) }));
        Assert.Equal("width", error.Parameter);
    }

    [Fact]
    public async Task A_model_that_cannot_be_opened_refuses_nothing()
    {
        using var generator = new TurboDiffusionVideoGenerator(
            new TurboDiffusionOptions { Model = "/does/not/exist", Device = "cpu" });
        await using var service = await TestService.StartAsync(inner: generator);
        using var response = await service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a" });
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var id = TestService.Json(await response.Content.ReadAsStringAsync()).GetProperty("id").GetString()!;
        Assert.Equal("failed", (await service.EndOfAsync(id)).GetProperty("status").GetString());
    }

    private static TurboDiffusionVideoGenerator Generator() =>
        new(new TurboDiffusionOptions { Model = CommandProcess.SmallModelFolder, Device = "cpu" });
}
