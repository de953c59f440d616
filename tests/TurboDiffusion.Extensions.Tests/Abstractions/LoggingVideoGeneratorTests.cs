using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Abstractions;

public sealed class LoggingVideoGeneratorTests
{
    private static readonly byte[] ImageBytes = [.. Enumerable.Repeat((byte)0xAB, 60)];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Debug_names_the_call_and_keeps_the_prompt_to_itself()
    {
        var logs = new LogCollector(LogLevel.Debug);
        using var generator = new TestVideoGenerator().AsBuilder().UseLogging(logs).Build();

        await generator.GenerateVideoAsync("a secret cat", cancellationToken: Token);
        await generator.GenerateStreamingAsync(new("a secret cat"), cancellationToken: Token).ToListAsync(Token);

        Assert.Contains(logs.Entries, entry => entry.Message == "GenerateAsync invoked.");
        Assert.Contains(logs.Entries, entry => entry.Message == "GenerateAsync completed.");
        Assert.Equal(3, logs.Entries.Count(entry => entry.Message.Contains("yielded", StringComparison.Ordinal)));
        Assert.DoesNotContain("secret", logs.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trace_shows_prompt_options_and_results_and_never_bytes()
    {
        var logs = new LogCollector(LogLevel.Trace);
        using var generator = new TestVideoGenerator().AsBuilder().UseLogging(logs).Build();
        var image = new DataContent(ImageBytes, "image/png");
        var options = new VideoGenerationOptions { Seed = 77, AdditionalProperties = new() { ["mask"] = image } };

        await generator.AnimateImageAsync(image, "a secret cat", options, Token);
        await generator.GenerateStreamingAsync(new("a cat", image), options, Token).ToListAsync(Token);

        Assert.Contains("a secret cat", logs.Text, StringComparison.Ordinal);
        Assert.Contains("\"seed\":77", logs.Text.Replace(" ", ""), StringComparison.Ordinal);
        Assert.Contains("\"bytes\":60", logs.Text, StringComparison.Ordinal);
        Assert.Contains("video/mp4", logs.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(ImageBytes), logs.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Failure_is_an_error_and_cancellation_is_not()
    {
        var logs = new LogCollector(LogLevel.Debug);
        Exception thrown = new InvalidOperationException("broken");
        using var generator = new TestVideoGenerator
        {
            OnGenerate = (_, _, _) => Task.FromException<VideoGenerationResponse>(thrown),
            OnStream = (_, _, _) => Failing(thrown),
        }.AsBuilder().UseLogging(logs).Build();

        await Assert.ThrowsAsync<InvalidOperationException>(() => generator.GenerateVideoAsync("a cat", cancellationToken: Token));
        await Assert.ThrowsAsync<InvalidOperationException>(() =>
            generator.GenerateStreamingAsync(new("a cat"), cancellationToken: Token).ToListAsync(Token).AsTask());
        Assert.Equal(2, logs.Entries.Count(entry => entry.Level == LogLevel.Error && entry.Exception == thrown));

        generator.GetRequiredService<TestVideoGenerator>().OnStream = (_, _, _) => throw thrown;
        await Assert.ThrowsAsync<InvalidOperationException>(() =>
            generator.GenerateStreamingAsync(new("a cat"), cancellationToken: Token).ToListAsync(Token).AsTask());
        Assert.Equal(3, logs.Entries.Count(entry => entry.Level == LogLevel.Error));

        thrown = new OperationCanceledException();
        await Assert.ThrowsAsync<OperationCanceledException>(() => generator.GenerateVideoAsync("a cat", cancellationToken: Token));
        Assert.Equal("GenerateAsync canceled.", logs.Entries[^1].Message);
    }

    [Fact]
    public void Without_a_logger_factory_the_decorator_is_left_out()
    {
        using var generator = new TestVideoGenerator().AsBuilder().UseLogging().Build();
        Assert.IsType<TestVideoGenerator>(generator);
    }

    private static async IAsyncEnumerable<VideoGenerationResponseUpdate> Failing(Exception exception)
    {
        await Task.Yield();
        yield return Videos.Updates()[0];
        throw exception;
    }
}
