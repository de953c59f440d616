using Microsoft.Extensions.AI;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>The other direction: a program whose generator is the service, through OpenAI's client.</summary>
public sealed class OpenAIVideoGeneratorTests
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    [Fact]
    public async Task A_video_comes_back_with_its_bytes_and_what_is_known_of_it()
    {
        // More than a double has bits for.
        const long Seed = (1L << 53) + 1;
        await using var service = await TestService.StartAsync();
        service.Generator.Note = prompt => $"No model knows {prompt}.";
        using var generator = service.Videos.AsIVideoGenerator(pollInterval: Poll);
        var image = FakeVideoGenerator.Picture(20, 10, 200);
        var request = new VideoGenerationRequest("a cat", new DataContent(image, "image/png"))
        {
            NegativePrompt = "a dog", EndFrame = new DataContent(FakeVideoGenerator.Picture(10, 20, 100), "image/png"),
        };
        var response = await generator.GenerateAsync(request, new VideoGenerationOptions
        {
            VideoSize = new(96, 48),
            Duration = TimeSpan.FromSeconds(1),
            FramesPerSecond = 23.976,
            Seed = Seed,
            Count = 2,
            AdditionalProperties = new() { ["steps"] = 3 },
        });

        Assert.Equal([FakeVideoGenerator.Video("a cat", Seed), FakeVideoGenerator.Video("a cat", Seed + 1)],
            response.Contents.Cast<DataContent>().Select(video => video.Data.ToArray()));
        Assert.Equal(new VideoInfo(96, 48, 17, 16, Seed, "No model knows a cat."), response.Contents[0].GetVideoInfo());
        Assert.Equal("fake", response.ModelId);
        var (asked, options) = service.Generator.Calls.First();
        Assert.Equal(23.976, options.FramesPerSecond);
        Assert.Equal(("a cat", "a dog"), (asked.Prompt, asked.NegativePrompt));
        Assert.Equal(image, ((DataContent)asked.StartFrame!).Data.ToArray());
        Assert.Equal(FakeVideoGenerator.Picture(10, 20, 100), ((DataContent)asked.EndFrame!).Data.ToArray());
        Assert.Equal(3, ((TurboDiffusionRequestOptions)options.RawRepresentationFactory!(generator)!).Steps);
        Assert.Equal("openai", generator.GetService<VideoGeneratorMetadata>()?.ProviderName);
    }

    [Fact]
    public async Task Progress_streams_and_leaving_deletes_the_video_at_the_service()
    {
        await using var service = await TestService.StartAsync();
        service.Generator.Hold();
        using var generator = service.Videos.AsIVideoGenerator(pollInterval: Poll);
        using var cancellation = new CancellationTokenSource();
        var updates = new List<VideoGenerationResponseUpdate>();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var update in generator.GenerateStreamingAsync(new VideoGenerationRequest("a cat"), null, cancellation.Token))
            {
                updates.Add(update);
                if (update.Kind == VideoGenerationResponseUpdateKind.Progress)
                    await cancellation.CancelAsync();
            }
        });
        Assert.All(updates, update => Assert.Empty(update.Contents));
        await TestService.UntilAsync(() => service.Generator.Cancelled.Contains("a cat"));
        Assert.Equal(0, (await service.GetAsync("/v1/videos")).GetProperty("data").GetArrayLength());
    }

    [Fact]
    public async Task A_failure_of_the_service_is_told_in_its_words()
    {
        await using var service = await TestService.StartAsync();
        service.Generator.Failure = _ => new InvalidRequestException("size", "The size is odd.");
        using var generator = service.Videos.AsIVideoGenerator(pollInterval: Poll);
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => generator.GenerateVideoAsync("a cat"));
        Assert.Contains("The size is odd.", error.Message);
        await Assert.ThrowsAsync<System.ClientModel.ClientResultException>(() => generator.GenerateVideoAsync(""));
        await Assert.ThrowsAsync<NotSupportedException>(() =>
            generator.GenerateVideoAsync("a", new VideoGenerationOptions { ResponseFormat = VideoGenerationResponseFormat.Uri }));
    }
}
