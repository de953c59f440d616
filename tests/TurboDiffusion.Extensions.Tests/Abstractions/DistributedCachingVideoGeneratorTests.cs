using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Abstractions;

public sealed class DistributedCachingVideoGeneratorTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-").FullName;
    private readonly MemoryDistributedCache _cache = new(Options.Create(new MemoryDistributedCacheOptions()));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_same_request_and_seed_give_the_stored_video()
    {
        var inner = new TestVideoGenerator();
        using var generator = inner.AsBuilder().UseDistributedCache(_cache).Build();

        var first = await generator.GenerateVideoAsync("a cat", new() { Seed = 1 }, Token);
        var second = await generator.GenerateVideoAsync("a cat", new() { Seed = 1, StreamingCount = 4 }, Token);
        var streamed = await generator.GenerateStreamingAsync(new("a cat"), new() { Seed = 1 }, Token).ToListAsync(Token);

        Assert.Equal(1, inner.Calls);
        Assert.Equal(Bytes(first), Bytes(second));
        Assert.Equal(Videos.Info, second.Contents[0].GetVideoInfo());
        Assert.Equal(Bytes(first), Bytes(streamed.ToVideoGenerationResponse()));
    }

    [Fact]
    public async Task A_streamed_video_is_stored_without_its_previews()
    {
        var inner = new TestVideoGenerator();
        using var generator = inner.AsBuilder().UseDistributedCache(_cache).Build();

        await generator.GenerateStreamingAsync(new("a cat"), new() { Seed = 1 }, Token).ToListAsync(Token);
        var stored = await generator.GenerateVideoAsync("a cat", new() { Seed = 1 }, Token);

        Assert.Equal(1, inner.Calls);
        Assert.Single(stored.Contents);
    }

    [Fact]
    public async Task Without_a_seed_nothing_is_stored()
    {
        var inner = new TestVideoGenerator();
        using var generator = inner.AsBuilder().UseDistributedCache(_cache).Build();

        await generator.GenerateVideoAsync("a cat", cancellationToken: Token);
        await generator.GenerateVideoAsync("a cat", cancellationToken: Token);

        Assert.Equal(2, inner.Calls);
    }

    public static TheoryData<string> Differences =>
        ["prompt", "negative", "image", "seed", "size", "model", "raw", "rawType", "additional", "content"];

    [Theory]
    [MemberData(nameof(Differences))]
    public async Task Whatever_shapes_the_video_is_part_of_the_key(string difference)
    {
        var inner = new TestVideoGenerator();
        using var generator = inner.AsBuilder().UseDistributedCache(_cache).Build();
        var (request, options) = Request(null);
        await generator.GenerateAsync(request, options, Token);
        (request, options) = Request(null);
        await generator.GenerateAsync(request, options, Token);
        Assert.Equal(1, inner.Calls);

        (request, options) = Request(difference);
        await generator.GenerateAsync(request, options, Token);

        Assert.Equal(2, inner.Calls);
    }

    [Fact]
    public async Task The_order_of_additional_properties_does_not_matter()
    {
        var inner = new TestVideoGenerator();
        using var generator = inner.AsBuilder().UseDistributedCache(_cache).Build();

        await generator.GenerateVideoAsync("a cat", new() { Seed = 1, AdditionalProperties = new() { ["a"] = 1, ["b"] = 2 } }, Token);
        await generator.GenerateVideoAsync("a cat", new() { Seed = 1, AdditionalProperties = new() { ["b"] = 2, ["a"] = 1 } }, Token);

        Assert.Equal(1, inner.Calls);
    }

    [Fact]
    public async Task Another_model_behind_the_same_store_has_its_own_videos()
    {
        var small = new TestVideoGenerator { Metadata = new("test", defaultModelId: "small") };
        var large = new TestVideoGenerator { Metadata = new("test", defaultModelId: "large") };
        foreach (var inner in new[] { small, large })
            await inner.AsBuilder().UseDistributedCache(_cache).Build().GenerateVideoAsync("a cat", new() { Seed = 1 }, Token);

        Assert.Equal((1, 1), (small.Calls, large.Calls));
    }

    [Fact]
    public async Task A_start_frame_file_counts_by_its_contents()
    {
        var path = Path.Combine(_folder, "start.png");
        await File.WriteAllBytesAsync(path, [1], Token);
        var inner = new TestVideoGenerator();
        using var generator = inner.AsBuilder().UseDistributedCache(_cache).Build();
        var image = new UriContent(new Uri(new Uri(path).AbsoluteUri), "image/png");

        await generator.AnimateImageAsync(image, "a cat", new() { Seed = 1 }, Token);
        await generator.AnimateImageAsync(image, "a cat", new() { Seed = 1 }, Token);
        Assert.Equal(1, inner.Calls);

        await File.WriteAllBytesAsync(path, [2], Token);
        await generator.AnimateImageAsync(image, "a cat", new() { Seed = 1 }, Token);
        Assert.Equal(2, inner.Calls);
    }

    [Fact]
    public async Task A_stored_file_that_has_gone_is_generated_again()
    {
        var path = Path.Combine(_folder, "a cat.mp4");
        var inner = new TestVideoGenerator
        {
            OnGenerate = async (_, _, token) =>
            {
                await File.WriteAllBytesAsync(path, [1], token);
                return Videos.Response(Videos.File(path));
            },
        };
        using var generator = inner.AsBuilder().UseDistributedCache(_cache).Build();

        await generator.GenerateVideoAsync("a cat", new() { Seed = 1 }, Token);
        await generator.GenerateVideoAsync("a cat", new() { Seed = 1 }, Token);
        Assert.Equal(1, inner.Calls);

        File.Delete(path);
        await generator.GenerateVideoAsync("a cat", new() { Seed = 1 }, Token);
        Assert.Equal(2, inner.Calls);
    }

    [Fact]
    public async Task An_options_object_that_is_no_JSON_is_passed_on()
    {
        var inner = new TestVideoGenerator();
        using var generator = inner.AsBuilder().UseDistributedCache(_cache).Build();
        var options = new VideoGenerationOptions { Seed = 1, RawRepresentationFactory = _ => new { Callback = (Action)(() => { }) } };

        await generator.GenerateVideoAsync("a cat", options, Token);
        await generator.GenerateVideoAsync("a cat", options, Token);

        Assert.Equal(2, inner.Calls);
    }

    [Fact]
    public async Task Entries_expire_as_configured_and_the_store_comes_from_the_services()
    {
        var clock = new MovableClock();
        var cache = new MemoryDistributedCache(Options.Create(new MemoryDistributedCacheOptions { Clock = clock }));
        var inner = new TestVideoGenerator();
        var services = new ServiceCollection();
        services.AddSingleton<IDistributedCache>(cache);
        services.AddVideoGenerator(inner).UseDistributedCache(configure: caching =>
            caching.EntryOptions = new() { AbsoluteExpirationRelativeToNow = TimeSpan.FromMinutes(1) });
        await using var provider = services.BuildServiceProvider();
        var generator = provider.GetRequiredService<IVideoGenerator>();

        await generator.GenerateVideoAsync("a cat", new() { Seed = 1 }, Token);
        clock.UtcNow += TimeSpan.FromMinutes(2);
        await generator.GenerateVideoAsync("a cat", new() { Seed = 1 }, Token);

        Assert.Equal(2, inner.Calls);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static byte[] Bytes(VideoGenerationResponse response) =>
        Assert.IsType<DataContent>(Assert.Single(response.Contents)).Data.ToArray();

    private static (VideoGenerationRequest Request, VideoGenerationOptions Options) Request(string? difference)
    {
        object raw = difference == "rawType" ? new OtherKnobs(4) : new Knobs(difference == "raw" ? 2 : 4);
        var request = new VideoGenerationRequest(
            difference == "prompt" ? "a dog" : "a cat",
            new DataContent(new byte[] { difference == "image" ? (byte)2 : (byte)1 }, "image/png"))
        {
            NegativePrompt = difference == "negative" ? "rain" : null,
        };
        return (request, new VideoGenerationOptions
        {
            Seed = difference == "seed" ? 2 : 1,
            VideoSize = difference == "size" ? new(64, 64) : new(32, 32),
            ModelId = difference == "model" ? "other" : null,
            RawRepresentationFactory = _ => raw,
            AdditionalProperties = new()
            {
                ["style"] = difference == "additional" ? "oil" : "ink",
                ["mask"] = new DataContent(new byte[] { difference == "content" ? (byte)4 : (byte)3 }, "image/png"),
            },
        });
    }

    private sealed record Knobs(int Steps);

    private sealed record OtherKnobs(int Steps);


    private sealed class MovableClock : Microsoft.Extensions.Internal.ISystemClock
    {
        public DateTimeOffset UtcNow { get; set; } = DateTimeOffset.UtcNow;
    }

}
