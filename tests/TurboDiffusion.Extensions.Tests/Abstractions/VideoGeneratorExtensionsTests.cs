using Microsoft.Extensions.AI;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Abstractions;

public sealed class VideoGeneratorExtensionsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Progress_comes_in_order_and_then_the_video()
    {
        var seen = new List<VideoGenerationProgress>();
        using var generator = new TestVideoGenerator();

        var response = await generator.GenerateVideoAsync("a cat", new Collect(seen), cancellationToken: Token);

        Assert.Equal([new VideoGenerationProgress("denoise", 1, 4)], seen);
        Assert.Single(response.Contents);
    }

    [Fact]
    public void A_required_service_is_there_or_an_error_names_it()
    {
        using var generator = new TestVideoGenerator();

        Assert.Same(generator.Metadata, generator.GetRequiredService(typeof(VideoGeneratorMetadata)));
        var error = Assert.Throws<InvalidOperationException>(() => generator.GetRequiredService(typeof(Uri)));
        Assert.Contains("System.Uri", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => generator.GetRequiredService(typeof(VideoGeneratorMetadata), "key"));
    }

    [Fact]
    public async Task A_start_frame_can_be_bytes_or_a_path()
    {
        var frames = new List<DataContent>();
        using var generator = new TestVideoGenerator
        {
            OnGenerate = (request, _, _) =>
            {
                frames.Add(Assert.IsType<DataContent>(request.StartFrame));
                return Task.FromResult(Videos.Response());
            },
        };
        var path = Path.Combine(_folder, "start.png");
        await File.WriteAllBytesAsync(path, [4, 5], Token);

        await generator.AnimateImageAsync(new byte[] { 4, 5 }, "image/png", "it waves", cancellationToken: Token);
        await generator.AnimateImageAsync(path, "it waves", cancellationToken: Token);

        Assert.All(frames, frame => Assert.Equal(("image/png", 2), (frame.MediaType, frame.Data.Length)));
        Assert.Equal(2, frames.Count);
    }

    [Fact]
    public async Task Videos_are_saved_whole_and_overwrite_nothing()
    {
        var source = Path.Combine(_folder, "source.mp4");
        await File.WriteAllBytesAsync(source, [7, 8], Token);
        var path = Path.Combine(_folder, "new folder", "cat.mp4");

        Assert.Equal([path], await Videos.Response().SaveAsync(path, Token));
        Assert.Equal([1, 2, 3], await File.ReadAllBytesAsync(path, Token));
        await Assert.ThrowsAsync<IOException>(() => Videos.Response(Videos.File(source)).SaveAsync(path, Token));
        Assert.Equal([1, 2, 3], await File.ReadAllBytesAsync(path, Token));

        var both = await Videos.Response(Videos.File(source), Videos.Data()).SaveAsync(Path.Combine(_folder, "two.mp4"), Token);
        Assert.Equal(["two-1.mp4", "two-2.mp4"], both.Select(Path.GetFileName));
        Assert.Equal([7, 8], await File.ReadAllBytesAsync(both[0], Token));

        var remote = new VideoGenerationResponse([new UriContent(new Uri("https://example.com/a.mp4"), "video/mp4")]);
        var error = await Assert.ThrowsAsync<ArgumentException>(() => remote.SaveAsync(Path.Combine(_folder, "remote.mp4"), Token));
        Assert.Contains("https://example.com/a.mp4", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidOperationException>(() => new VideoGenerationResponse().SaveAsync(path, Token));
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Videos.Response()
            .SaveAsync(Path.Combine(_folder, "cancelled.mp4"), cancelled.Token));
        Assert.Equal(["source.mp4", "two-1.mp4", "two-2.mp4"], Directory.GetFiles(_folder).Select(Path.GetFileName).Order());
        Assert.Equal(["cat.mp4"], Directory.GetFiles(Path.Combine(_folder, "new folder")).Select(Path.GetFileName));
    }

    [Fact]
    public void Knobs_of_the_engine_add_up_on_every_call()
    {
        using var generator = new TestVideoGenerator();
        var shared = new TurboDiffusionRequestOptions { Frames = 9, Steps = 1 };
        var options = new VideoGenerationOptions { RawRepresentationFactory = _ => shared }
            .WithTurboDiffusion(o => o.Steps = 4)
            .WithTurboDiffusion(o => o.GuidanceScale = 2);

        for (var i = 0; i < 2; i++)
        {
            var raw = Assert.IsType<TurboDiffusionRequestOptions>(options.Clone().RawRepresentationFactory!(generator));
            Assert.Equal((9, 4, 2.0), (raw.Frames, raw.Steps, raw.GuidanceScale));
        }

        Assert.Equal((1, (double?)null), (shared.Steps, shared.GuidanceScale));
        var foreign = new VideoGenerationOptions { RawRepresentationFactory = _ => "other" }.WithTurboDiffusion(o => o.Steps = 4);
        Assert.Equal("other", foreign.RawRepresentationFactory!(generator));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private sealed class Collect(List<VideoGenerationProgress> seen) : IProgress<VideoGenerationProgress>
    {
        public void Report(VideoGenerationProgress value) => seen.Add(value);
    }
}
