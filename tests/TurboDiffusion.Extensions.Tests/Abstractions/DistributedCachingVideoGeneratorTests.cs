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
        ["prompt", "negative", "image", "end", "endImage", "seed", "size", "model", "raw", "rawType", "additional", "content"];

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
    public async Task Another_model_of_the_same_name_has_its_own_videos()
    {
        var before = new TestVideoGenerator { Fingerprint = "a" };
        var after = new TestVideoGenerator { Fingerprint = "b" };
        var again = new TestVideoGenerator { Fingerprint = "a" };
        foreach (var inner in new[] { before, after, again })
            await inner.AsBuilder().UseDistributedCache(_cache).UseLogging(new LogCollector()).Build()
                .GenerateVideoAsync("a cat", new() { Seed = 1 }, Token);

        Assert.Equal((1, 1, 0), (before.Calls, after.Calls, again.Calls));
    }

    public static TheoryData<string> BadEntries =>
    [
        "", " ", "garbage", "null", "[null]", "[]", "{}", "7", "{\"contents\":null}", "{\"contents\":[]}", "{\"contents\":[null]}",
        "{\"contents\":[{}]}",
        "{\"contents\":[{\"$type\":\"no-such-kind\"}]}",
        "{\"contents\":[{\"$type\":\"text\",\"text\":\"hello\"}]}",
        "{\"contents\":[{\"$type\":\"data\",\"uri\":\"nonsense\"}]}",
        "{\"contents\":[{\"$type\":\"data\",\"uri\":\"data:text/html;base64,PGI+\"}]}",
        "{\"contents\":[{\"$type\":\"data\",\"uri\":\"data:image/svg+xml;base64,PGI+\"}]}",
        Uri("file:///etc/passwd"), Uri("file:///etc/hostname", "text/plain"), Uri("http://example.com/a.mp4"),
        Uri("https://example.com/a.mp4"),
        Uri("file://server/share/a.mp4"), Uri("FOLDER/../outside.mp4"), Uri("FOLDER/link.mp4"), Uri("FOLDER/deeper/a.mp4"), Uri("FOLDER"),
        Uri("FOLDER/missing.mp4"), Uri("FOLDER/a.mp4", "text/html"),
        "{\"contents\":[{\"$type\":\"hostedFile\",\"fileId\":\"someone-else\"}]}",
    ];

    [Theory]
    [MemberData(nameof(BadEntries))]
    public async Task An_entry_that_nobody_here_wrote_counts_as_absent(string entry)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, "videos")).FullName;
        foreach (var file in new[] { "a.mp4", "deeper/a.mp4", "../outside.mp4" })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(folder, file))!);
            await File.WriteAllBytesAsync(Path.Combine(folder, file), [1], Token);
        }

        File.CreateSymbolicLink(Path.Combine(folder, "link.mp4"), Path.Combine(_folder, "outside.mp4"));
        var inner = new TestVideoGenerator { Metadata = new("test", outputDirectory: folder) };
        var store = new Store();
        using var generator = inner.AsBuilder().UseDistributedCache(store).Build();
        var expected = Bytes(await generator.GenerateVideoAsync("a cat", new() { Seed = 1 }, Token));
        var (key, good) = Assert.Single(store.Entries);

        store.Entries[key] = System.Text.Encoding.UTF8.GetBytes(
            entry.Replace("FOLDER", new Uri(folder).AbsoluteUri, StringComparison.Ordinal));
        Assert.Equal(expected, Bytes(await generator.GenerateVideoAsync("a cat", new() { Seed = 1 }, Token)));
        Assert.Equal(2, inner.Calls);
        Assert.Equal(good, store.Entries[key]);

        store.Entries[key] = System.Text.Encoding.UTF8.GetBytes(
            entry.Replace("FOLDER", new Uri(folder).AbsoluteUri, StringComparison.Ordinal));
        Assert.Equal(expected, Bytes((await generator.GenerateStreamingAsync(new("a cat"), new() { Seed = 1 }, Token).ToListAsync(Token))
            .ToVideoGenerationResponse()));
        Assert.Equal(3, inner.Calls);
    }

    [Fact]
    public async Task An_address_outside_the_generators_folder_is_not_stored()
    {
        var store = new Store();
        foreach (var video in new[] { Videos.File("/etc/passwd"), new UriContent(new Uri("https://example.com/a.mp4"), "video/mp4") })
        {
            var inner = new TestVideoGenerator
            {
                Metadata = new("test", outputDirectory: _folder),
                OnGenerate = (_, _, _) => Task.FromResult(Videos.Response(video)),
            };
            using var generator = inner.AsBuilder().UseDistributedCache(store).Build();
            for (var i = 0; i < 2; i++)
                Assert.Same(video, (await generator.GenerateVideoAsync("a cat", new() { Seed = 1 }, Token)).Contents[0]);
        }

        Assert.Empty(store.Entries);
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
            Metadata = new("test", outputDirectory: _folder),
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
            EndFrame = difference is "end" or "endImage"
                ? new DataContent(new byte[] { difference == "end" ? (byte)1 : (byte)2 }, "image/png") : null,
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

    private static string Uri(string uri, string mediaType = "video/mp4") =>
        $"{{\"contents\":[{{\"$type\":\"uri\",\"uri\":\"{uri}\",\"mediaType\":\"{mediaType}\"}}]}}";

    private sealed class Store : IDistributedCache
    {
        public Dictionary<string, byte[]> Entries { get; } = [];

        public byte[]? Get(string key) => Entries.GetValueOrDefault(key);

        public Task<byte[]?> GetAsync(string key, CancellationToken token = default) => Task.FromResult(Get(key));

        public void Refresh(string key)
        {
        }

        public Task RefreshAsync(string key, CancellationToken token = default) => Task.CompletedTask;

        public void Remove(string key) => Entries.Remove(key);

        public Task RemoveAsync(string key, CancellationToken token = default)
        {
            Remove(key);
            return Task.CompletedTask;
        }

        public void Set(string key, byte[] value, DistributedCacheEntryOptions options) => Entries[key] = value;

        public Task SetAsync(string key, byte[] value, DistributedCacheEntryOptions options, CancellationToken token = default)
        {
            Set(key, value, options);
            return Task.CompletedTask;
        }
    }

    private sealed record Knobs(int Steps);

    private sealed record OtherKnobs(int Steps);


    private sealed class MovableClock : Microsoft.Extensions.Internal.ISystemClock
    {
        public DateTimeOffset UtcNow { get; set; } = DateTimeOffset.UtcNow;
    }

}
