using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Abstractions;

public sealed class VideoGeneratorBuilderTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_decorator_that_is_added_first_is_outermost()
    {
        var order = new List<string>();
        using var generator = new TestVideoGenerator().AsBuilder()
            .ConfigureOptions(_ => order.Add("first"))
            .ConfigureOptions(_ => order.Add("second"))
            .Build();

        await generator.GenerateVideoAsync("a cat", cancellationToken: Token);

        Assert.Equal(["first", "second"], order);
    }

    [Fact]
    public void A_decorator_may_not_return_null()
    {
        var builder = new TestVideoGenerator().AsBuilder().Use(_ => null!);

        var error = Assert.Throws<InvalidOperationException>(() => builder.Build());
        Assert.Contains("index 0", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => new VideoGeneratorBuilder(_ => null!).Build());
    }

    [Fact]
    public void Without_a_container_there_are_no_services()
    {
        new VideoGeneratorBuilder(services =>
        {
            Assert.Null(services.GetService<IDisposable>());
            Assert.Null(services.GetKeyedService<IDisposable>("key"));
            Assert.Throws<InvalidOperationException>(() => services.GetRequiredKeyedService<IDisposable>("key"));
            return new TestVideoGenerator();
        }).Build();
    }

    [Fact]
    public async Task A_delegating_generator_passes_everything_on()
    {
        var inner = new TestVideoGenerator();
        var outer = new Passing(inner);

        await outer.GenerateVideoAsync("a cat", cancellationToken: Token);
        var updates = await outer.GenerateStreamingAsync(new("a cat"), cancellationToken: Token).ToListAsync(Token);

        Assert.Equal(2, inner.Calls);
        Assert.Equal(3, updates.Count);
        Assert.Same(outer, outer.GetService<Passing>());
        Assert.Same(outer, outer.GetService<IVideoGenerator>());
        Assert.Same(inner, outer.GetService<TestVideoGenerator>());
        Assert.Null(outer.GetService<TestVideoGenerator>("key"));
        Assert.Equal("test", outer.GetRequiredService<VideoGeneratorMetadata>().ProviderName);
        Assert.Throws<InvalidOperationException>(() => outer.GetRequiredService<IServiceProvider>());
        outer.Dispose();
        Assert.True(inner.IsDisposed);
    }

    [Fact]
    public async Task Animating_an_image_sets_the_start_frame()
    {
        var image = new DataContent(new byte[] { 1 }, "image/png");
        VideoGenerationRequest? seen = null;
        using var generator = new TestVideoGenerator
        {
            OnGenerate = (request, _, _) =>
            {
                seen = request;
                return Task.FromResult(Videos.Response());
            },
        };

        await generator.AnimateImageAsync(image, "it waves", cancellationToken: Token);

        Assert.Same(image, seen!.StartFrame);
        Assert.Equal("it waves", seen.Prompt);
    }

    [Fact]
    public async Task Configured_options_are_a_copy()
    {
        VideoGenerationOptions? seen = null;
        using var generator = new TestVideoGenerator
        {
            OnGenerate = (_, options, _) =>
            {
                seen = options;
                return Task.FromResult(Videos.Response());
            },
            OnStream = (_, options, _) =>
            {
                seen = options;
                return Videos.Updates().ToAsyncEnumerable();
            },
        }.AsBuilder().ConfigureOptions(options => options.Seed ??= 5).Build();
        var callers = new VideoGenerationOptions { Count = 3 };

        await generator.GenerateVideoAsync("a cat", callers, Token);
        Assert.Equal((5, 3, null), (seen!.Seed, seen.Count, callers.Seed));

        seen = null;
        await generator.GenerateStreamingAsync(new("a cat"), cancellationToken: Token).ToListAsync(Token);
        Assert.Equal(5, seen!.Seed);
    }

    [Fact]
    public void Registrations_resolve_with_their_decorators_and_by_key()
    {
        var first = new TestVideoGenerator();
        var second = new TestVideoGenerator();
        var services = new ServiceCollection();
        services.AddVideoGenerator(first).UseConcurrencyLimit(1, 4);
        services.AddKeyedVideoGenerator("large", second).ConfigureOptions(_ => { });
        services.AddVideoGenerator(_ => new TestVideoGenerator(), ServiceLifetime.Transient);
        services.AddKeyedVideoGenerator("made", _ => new TestVideoGenerator());

        using (var provider = services.BuildServiceProvider())
        {
            var all = provider.GetServices<IVideoGenerator>().ToList();
            Assert.NotNull(all[0].GetService<ConcurrencyLimitingVideoGenerator>());
            Assert.Same(first, all[0].GetService<TestVideoGenerator>());
            Assert.NotSame(provider.GetRequiredService<IVideoGenerator>(), provider.GetRequiredService<IVideoGenerator>());

            var keyed = provider.GetRequiredKeyedService<IVideoGenerator>("large");
            Assert.NotNull(keyed.GetService<ConfigureOptionsVideoGenerator>());
            Assert.Same(second, keyed.GetService<TestVideoGenerator>());
            Assert.Same(keyed, provider.GetRequiredKeyedService<IVideoGenerator>("large"));
            Assert.NotSame(second, provider.GetRequiredKeyedService<IVideoGenerator>("made"));
        }

        Assert.True(first.IsDisposed);
        Assert.True(second.IsDisposed);
    }

    private sealed class Passing(IVideoGenerator inner) : DelegatingVideoGenerator(inner);
}
