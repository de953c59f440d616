using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.DependencyInjection;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Abstractions;

public sealed class HybridCachingVideoGeneratorTests : IAsyncDisposable
{
    private readonly ServiceProvider _services;
    private readonly TestVideoGenerator _inner = new();
    private readonly TaskCompletionSource _finish = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IVideoGenerator _generator;

    public HybridCachingVideoGeneratorTests()
    {
        var services = new ServiceCollection();
        services.AddHybridCache();
        services.AddVideoGenerator(_inner).UseHybridCache();
        _services = services.BuildServiceProvider();
        _generator = _services.GetRequiredService<IVideoGenerator>();
        _inner.OnGenerate = async (_, _, token) =>
        {
            await _finish.Task.WaitAsync(token);
            return Videos.Response();
        };
        _inner.OnStream = (_, _, token) => Stream(token);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static VideoGenerationOptions Options => new() { Seed = 1 };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Equal_calls_at_the_same_time_generate_once(bool streaming)
    {
        var calls = Enumerable.Range(0, 16).Select(i => streaming || i % 2 == 0
            ? _generator.GenerateStreamingAsync(new("a cat"), Options, Token).ToVideoGenerationResponseAsync(Token)
            : _generator.GenerateVideoAsync("a cat", Options, Token)).ToList();
        _finish.SetResult();

        foreach (var response in await Task.WhenAll(calls))
            Assert.Equal([1, 2, 3], Bytes(response));
        Assert.Equal(1, _inner.Calls);

        Assert.Equal([1, 2, 3], Bytes(await _generator.GenerateVideoAsync("a cat", Options, Token)));
        Assert.Equal(1, _inner.Calls);
        await _generator.GenerateVideoAsync("a cat", new() { Seed = 2 }, Token);
        await _generator.GenerateVideoAsync("a cat", cancellationToken: Token);
        Assert.Equal(3, _inner.Calls);
    }

    [Fact]
    public async Task The_one_that_generates_streams_its_progress()
    {
        _finish.SetResult();
        var first = await _generator.GenerateStreamingAsync(new("a cat"), Options, Token).ToListAsync(Token);
        var second = await _generator.GenerateStreamingAsync(new("a cat"), Options, Token).ToListAsync(Token);

        Assert.Equal(["progress", "videoupdating", "videoupdated"], first.Select(update => update.Kind.Value));
        Assert.Equal(["videoupdated"], second.Select(update => update.Kind.Value));
    }

    [Fact]
    public async Task A_caller_who_leaves_does_not_take_the_video_from_the_others()
    {
        using var impatient = new CancellationTokenSource();
        var leaving = _generator.GenerateVideoAsync("a cat", Options, impatient.Token);
        var staying = _generator.GenerateVideoAsync("a cat", Options, Token);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaving);

        _finish.SetResult();

        Assert.Equal([1, 2, 3], Bytes(await staying));
        Assert.Equal(1, _inner.Calls);
    }

    [Fact]
    public async Task When_all_have_left_the_generation_ends()
    {
        var ended = new TaskCompletionSource();
        _inner.OnStream = (_, _, token) => Endless(token);
        await foreach (var _ in _generator.GenerateStreamingAsync(new("a cat"), Options, Token))
            break;

        await ended.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);

        async IAsyncEnumerable<VideoGenerationResponseUpdate> Endless(
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken token)
        {
            yield return Videos.Updates()[0];
            try
            {
                await Task.Delay(Timeout.Infinite, token);
            }
            finally
            {
                ended.SetResult();
            }
        }
    }

    [Fact]
    public async Task A_failure_is_that_of_all_and_is_not_stored()
    {
        _inner.OnGenerate = async (_, _, token) =>
        {
            await _finish.Task.WaitAsync(token);
            throw new TimeoutException("too slow");
        };
        var calls = Enumerable.Range(0, 4).Select(_ => _generator.GenerateVideoAsync("a cat", Options, Token)).ToList();
        _finish.SetResult();
        foreach (var call in calls)
            await Assert.ThrowsAsync<TimeoutException>(() => call);
        Assert.Equal(1, _inner.Calls);

        _inner.OnGenerate = (_, _, _) => Task.FromResult(Videos.Response());
        Assert.Equal([1, 2, 3], Bytes(await _generator.GenerateVideoAsync("a cat", Options, Token)));
    }

    [Fact]
    public async Task What_is_stored_and_cannot_be_used_is_replaced()
    {
        _finish.SetResult();
        var key = new KeyReader(_inner);
        var cache = _services.GetRequiredService<HybridCache>();
        foreach (var entry in new byte[][] { [], "garbage"u8.ToArray(), "[null]"u8.ToArray(), "{\"contents\":null}"u8.ToArray() })
        {
            await cache.SetAsync(await key.ReadAsync(new("a cat"), Options), entry, cancellationToken: Token);
            var before = _inner.Calls;
            Assert.Equal([1, 2, 3], Bytes(await _generator.GenerateVideoAsync("a cat", Options, Token)));
            Assert.Equal([1, 2, 3], Bytes(await _generator.GenerateVideoAsync("a cat", Options, Token)));
            Assert.Equal(before + 1, _inner.Calls);
        }
    }

    [Fact]
    public async Task A_video_that_must_not_be_stored_is_generated_for_each()
    {
        _inner.OnGenerate = (_, _, _) => Task.FromResult(Videos.Response(Videos.File("/etc/passwd")));
        for (var i = 1; i <= 2; i++)
        {
            Assert.IsType<UriContent>((await _generator.GenerateVideoAsync("a cat", Options, Token)).Contents[0]);
            Assert.Equal(i, _inner.Calls);
        }
    }

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    private static byte[] Bytes(VideoGenerationResponse response) =>
        Assert.IsType<DataContent>(Assert.Single(response.Contents)).Data.ToArray();

    private async IAsyncEnumerable<VideoGenerationResponseUpdate> Stream(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken token)
    {
        var updates = Videos.Updates();
        yield return updates[0];
        await _finish.Task.WaitAsync(token);
        yield return updates[1];
        yield return updates[2];
    }

    private sealed class KeyReader(IVideoGenerator inner) : CachingVideoGenerator(inner)
    {
        public async Task<string> ReadAsync(VideoGenerationRequest request, VideoGenerationOptions options) =>
            (await GetCacheKeyAsync(request, options, Token))!;
    }
}
