using System.Threading.RateLimiting;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Abstractions;

public sealed class ConcurrencyLimitingVideoGeneratorTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Callers_are_served_one_at_a_time_in_the_order_in_which_they_came()
    {
        var inner = new GatedGenerator();
        using var generator = inner.AsBuilder().UseConcurrencyLimit(1, 8).Build();

        var calls = Enumerable.Range(0, 5).Select(i => generator.GenerateVideoAsync($"{i}", cancellationToken: Token)).ToList();
        for (var i = 0; i < calls.Count; i++)
        {
            await inner.Started.WaitAsync(Token);
            Assert.Equal(1, inner.Running);
            inner.Gate.Release();
            await calls[i];
        }

        Assert.Equal(["0", "1", "2", "3", "4"], inner.Prompts);
        Assert.Equal(1, inner.MostAtOnce);
    }

    [Fact]
    public async Task A_full_queue_refuses_with_a_typed_error()
    {
        var inner = new GatedGenerator();
        using var generator = inner.AsBuilder().UseConcurrencyLimit(1, 1).Build();
        var running = generator.GenerateVideoAsync("running", cancellationToken: Token);
        var waiting = generator.GenerateVideoAsync("waiting", cancellationToken: Token);

        var error = await Assert.ThrowsAsync<VideoGeneratorQueueFullException>(
            () => generator.GenerateVideoAsync("refused", cancellationToken: Token));
        await Assert.ThrowsAsync<VideoGeneratorQueueFullException>(
            () => generator.GenerateStreamingAsync(new("refused"), cancellationToken: Token).ToListAsync(Token).AsTask());

        Assert.Contains("1 requests are waiting", error.Message, StringComparison.Ordinal);
        inner.Gate.Release(2);
        await Task.WhenAll(running, waiting);
        Assert.Equal(["running", "waiting"], inner.Prompts);
    }

    [Fact]
    public async Task A_streaming_caller_that_waits_is_told_so()
    {
        var inner = new GatedGenerator();
        using var generator = inner.AsBuilder().UseConcurrencyLimit(1, 4).Build();
        var running = generator.GenerateVideoAsync("running", cancellationToken: Token);

        await using var updates = generator.GenerateStreamingAsync(new("streamed"), cancellationToken: Token)
            .GetAsyncEnumerator(Token);
        Assert.True(await updates.MoveNextAsync());
        Assert.Equal(VideoGenerationResponseUpdateKind.Queued, updates.Current.Kind);
        Assert.Equal(1, updates.Current.Progress!.Value.QueuePosition);

        inner.Gate.Release(2);
        await running;
        Assert.True(await updates.MoveNextAsync());
        Assert.Equal(VideoGenerationResponseUpdateKind.Progress, updates.Current.Kind);
    }

    [Fact]
    public async Task A_streaming_caller_that_leaves_while_it_waits_gives_its_place_away()
    {
        var inner = new GatedGenerator();
        using var generator = inner.AsBuilder().UseConcurrencyLimit(1, 1).Build();
        var running = generator.GenerateVideoAsync("running", cancellationToken: Token);
        await foreach (var update in generator.GenerateStreamingAsync(new("left"), cancellationToken: Token))
            break;

        var next = generator.GenerateVideoAsync("next", cancellationToken: Token);
        inner.Gate.Release(2);
        await Task.WhenAll(running, next);

        Assert.Equal(["running", "next"], inner.Prompts);
    }

    [Fact]
    public async Task Generators_that_share_a_queue_take_turns()
    {
        var first = new GatedGenerator();
        var second = new GatedGenerator();
        using var queue = new ConcurrencyLimiter(new() { PermitLimit = 1, QueueLimit = 1 });
        using var one = first.AsBuilder().UseConcurrencyLimit(queue).Build();
        var two = second.AsBuilder().UseConcurrencyLimit(queue).Build();

        var running = one.GenerateVideoAsync("one", cancellationToken: Token);
        var waiting = two.GenerateVideoAsync("two", cancellationToken: Token);
        Assert.Empty(second.Prompts);
        second.Gate.Release();
        first.Gate.Release();
        await Task.WhenAll(running, waiting);

        two.Dispose();
        first.Gate.Release();
        await one.GenerateVideoAsync("the queue is still there", cancellationToken: Token);
    }

    [Fact]
    public async Task Disposing_ends_those_who_wait()
    {
        var inner = new GatedGenerator();
        var generator = inner.AsBuilder().UseConcurrencyLimit(1, 4).Build();
        var running = generator.GenerateVideoAsync("running", cancellationToken: Token);
        var waiting = generator.GenerateVideoAsync("waiting", cancellationToken: Token);

        generator.Dispose();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => generator.GenerateVideoAsync("late", cancellationToken: Token));
        inner.Gate.Release();
        await running;
    }

    [Fact]
    public async Task Whenever_callers_come_one_is_served_at_a_time_and_the_rest_wait_or_are_refused()
    {
        var random = new Random(20254);
        var (running, most) = (0, 0);
        var inner = new TestVideoGenerator
        {
            OnGenerate = async (_, _, token) =>
            {
                most = Math.Max(most, Interlocked.Increment(ref running));
                await Task.Delay(1, token);
                Interlocked.Decrement(ref running);
                return Videos.Response();
            },
        };
        using var generator = inner.AsBuilder().UseConcurrencyLimit(1, 3).Build();
        var (served, refused) = (0, 0);

        for (var round = 0; round < 20; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
            {
                await Task.Delay(random.Next(4), Token);
                try
                {
                    await generator.GenerateVideoAsync("a cat", cancellationToken: Token);
                    Interlocked.Increment(ref served);
                }
                catch (VideoGeneratorQueueFullException)
                {
                    Interlocked.Increment(ref refused);
                }
            }).ToList());
        }

        Assert.Equal(1, most);
        Assert.Equal(20 * 8, served + refused);
        Assert.Equal(served, inner.Calls);
        // One is served and three wait, whatever the timing.
        Assert.True(served >= 20 * 4, $"{served} were served.");
    }

    [Fact]
    public async Task Random_cancellation_never_loses_a_place()
    {
        var random = new Random(20251);
        var inner = new TestVideoGenerator
        {
            OnGenerate = async (_, _, token) =>
            {
                await Task.Delay(random.Next(3), token);
                return Videos.Response();
            },
            OnStream = (_, _, token) => Slow(token),
        };
        using var generator = inner.AsBuilder().UseConcurrencyLimit(2, 100).Build();

        for (var round = 0; round < 30; round++)
        {
            var calls = Enumerable.Range(0, 8).Select(async i =>
            {
                using var source = CancellationTokenSource.CreateLinkedTokenSource(Token);
                source.CancelAfter(random.Next(6));
                try
                {
                    if (i % 2 == 0)
                        await generator.GenerateVideoAsync("a cat", cancellationToken: source.Token);
                    else
                        await generator.GenerateStreamingAsync(new("a cat"), cancellationToken: source.Token).ToListAsync(source.Token);
                }
                catch (OperationCanceledException)
                {
                }
            }).ToList();
            await Task.WhenAll(calls);
        }

        // Both places are free again.
        await Task.WhenAll(
            generator.GenerateVideoAsync("a cat", cancellationToken: Token),
            generator.GenerateVideoAsync("a cat", cancellationToken: Token)).WaitAsync(TimeSpan.FromSeconds(10), Token);

        static async IAsyncEnumerable<VideoGenerationResponseUpdate> Slow(
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken token)
        {
            foreach (var update in Videos.Updates())
            {
                await Task.Delay(1, token);
                yield return update;
            }
        }
    }

    /// <summary>Generates when the test opens the gate, and counts who is inside.</summary>
    private sealed class GatedGenerator : DelegatingVideoGenerator
    {
        private int _running;

        public GatedGenerator()
            : base(new TestVideoGenerator())
        {
        }

        public SemaphoreSlim Gate { get; } = new(0);

        public SemaphoreSlim Started { get; } = new(0);

        public List<string> Prompts { get; } = [];

        public int Running => _running;

        public int MostAtOnce { get; private set; }

        public override async Task<VideoGenerationResponse> GenerateAsync(
            VideoGenerationRequest request, VideoGenerationOptions? options = null, CancellationToken cancellationToken = default)
        {
            MostAtOnce = Math.Max(MostAtOnce, Interlocked.Increment(ref _running));
            Prompts.Add(request.Prompt!);
            Started.Release();
            await Gate.WaitAsync(cancellationToken);
            Interlocked.Decrement(ref _running);
            return await base.GenerateAsync(request, options, cancellationToken);
        }
    }
}
