using System.Diagnostics;
using TurboDiffusion.Generation.Models;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Api;

/// <summary>Each sample runs as its first line says, without arguments, on the model that needs no download.</summary>
public sealed class SampleTests
{
    [Theory]
    [InlineData("DependencyInjection", "video: ", "again: ", "health: Healthy", "preview: frame_00000.png")]
    [InlineData("SemanticKernelAgent", "Here is your video: file:///")]
    [InlineData("AgentFramework", "Here is your video: file:///")]
    [InlineData("MLPipeline", "a red circle bounces across a night sky: /", "a paper boat drifts down a stream: /", "loaded: Video")]
    [InlineData("ImageToVideo", "video: ", "FrameCount = ")]
    public async Task A_sample_runs_and_makes_its_video(string sample, params string[] expected)
    {
        var library = Directory.CreateTempSubdirectory("turbodiffusion-library-").FullName;
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList = { Path.Combine(AppContext.BaseDirectory, sample + ".dll") },
        };
        start.Environment[ModelLibrary.FolderVariable] = library;
        start.Environment.Remove("OPENAI_BASE_URL");
        start.Environment.Remove("TURBODIFFUSION_MODEL");
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Directory.Delete(library, recursive: true);

        Assert.True(process.ExitCode == 0, output + await error);
        Assert.All(expected, line => Assert.Contains(line, output, StringComparison.Ordinal));
        var videos = output.Split([' ', '\n', ','], StringSplitOptions.RemoveEmptyEntries)
            .Where(word => word.EndsWith(".mp4", StringComparison.Ordinal))
            .Select(word => word.Replace("file://", "", StringComparison.Ordinal)).Distinct().ToList();
        Assert.NotEmpty(videos);
        Assert.All(videos, video => Assert.True(new FileInfo(video).Length > 0));
        videos.ForEach(File.Delete);
    }
}
