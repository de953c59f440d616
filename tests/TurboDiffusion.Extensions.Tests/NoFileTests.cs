using System.Diagnostics;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.ML;
using TurboDiffusion.SemanticKernel;
using Xunit;

namespace TurboDiffusion.Extensions.Tests;

/// <summary>Every member of the packages that reads a file, given a named pipe, a device or a circle of links: an error at once.</summary>
public sealed class NoFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, Type> Cases
    {
        get
        {
            var cases = new TheoryData<string, Type>();
            foreach (var member in Members.Keys)
                cases.Add(member, member == "frames of a row" ? typeof(InvalidRequestException) : typeof(IOException));
            return cases;
        }
    }

    private static Dictionary<string, Func<string, Task>> Members { get; } = new()
    {
        ["start frame of an extension"] = path => new TestVideoGenerator().AnimateImageAsync(path, "a cat"),
        ["start frame of a cached call"] = path => Cached().GenerateAsync(
            new VideoGenerationRequest("a cat", Reference(path)), new() { Seed = 1 }, Token),
        ["saved video"] = path => Reference(path).SaveVideoAsync(path + ".saved", Token),
        ["start frame for another service"] = async path =>
        {
            using var generator = new OpenAI.Videos.VideoClient("key").AsIVideoGenerator();
            await generator.GenerateAsync(new VideoGenerationRequest("a cat", Reference(path)), cancellationToken: Token);
        },
        ["content of a kernel"] = path => new VideoGenerationFunctionResult
        {
            VideoUri = new Uri(path).AbsoluteUri, MediaType = "video/mp4",
        }.ToBinaryContentAsync(Token),
        ["bytes of a row"] = path => Task.FromResult(new MLVideo(Reference(path)).GetBytes()),
        ["frames of a row"] = path => Task.FromResult(new MLVideo(Reference(path)).ReadFrames().Count()),
    };

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task What_is_no_file_is_an_error_at_once(string member, Type expected)
    {
        foreach (var path in NoFiles())
        {
            Exception? error = null;
            await Task.Run(async () => error = await Record.ExceptionAsync(() => Members[member](path)), Token)
                .WaitAsync(TimeSpan.FromSeconds(30), Token);
            Assert.True(expected.IsInstanceOfType(error), $"{path}: {error}");
        }
        Assert.DoesNotContain(Directory.GetFiles(_folder), file => file.Contains(".saved", StringComparison.Ordinal)
            || file.Contains(".partial", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{0}\n#EXT-X-ENDLIST\n")]
    [InlineData("ffconcat version 1.0\nfile '{0}'\n")]
    public async Task A_playlist_by_the_name_of_a_video_opens_no_other_file(string playlist)
    {
        var secret = Path.Combine(_folder, "secret.mp4");
        using (var process = Process.Start("ffmpeg",
            ["-v", "error", "-f", "lavfi", "-i", "color=red:size=64x32:rate=8:duration=1", "-pix_fmt", "yuv444p", secret]))
            await process.WaitForExitAsync(Token);

        foreach (var video in await VideosOf(secret))
        {
            var frames = video.ReadFrames().ToList();
            Assert.Equal(8, frames.Count);
            Assert.All(frames, frame => Assert.Equal((64, 32), (frame.Width, frame.Height)));
            // Of ffmpeg's PNG of three channels: four of them, red either first or third.
            var pixel = frames[7].GetBGRPixels;
            Assert.Equal((0, 0, 254), (pixel[0], pixel[1], pixel[2] & 254));
            frames.ForEach(frame => frame.Dispose());
        }

        var path = Path.Combine(_folder, "video.mp4");
        await File.WriteAllTextAsync(path, playlist.Replace("{0}", secret, StringComparison.Ordinal), Token);
        foreach (var video in await VideosOf(path))
            Assert.Contains("cannot be read as a video", Assert.Throws<InvalidRequestException>(() => video.ReadFrames().Count()).Message);
    }

    [Fact]
    public async Task A_tool_tells_the_model_and_a_row_is_a_typed_error()
    {
        var functions = new VideoGenerationFunctions(new TestVideoGenerator(), new() { AllowedInputFolders = [_folder, "/dev"] });
        foreach (var path in NoFiles())
        {
            var told = await Task.Run(() => functions.AnimateImageAsync(path, "it waves", cancellationToken: Token), Token)
                .WaitAsync(TimeSpan.FromSeconds(30), Token);
            Assert.NotEmpty(told.Error!);
            await File.WriteAllBytesAsync(Path.Combine(_folder, "good.png"), [1], Token);
            told = await functions.AnimateImageAsync("good.png", "it waves", path, cancellationToken: Token);
            Assert.NotEmpty(told.Error!);
        }

        var large = Path.Combine(_folder, "large.png");
        await using (var file = File.Create(large))
            file.SetLength(1L << 33);
        Assert.Contains("large.png", (await functions.AnimateImageAsync(large, "it waves", cancellationToken: Token)).Error);
    }

    [Fact]
    public async Task A_regular_file_is_read_with_the_type_that_its_name_says()
    {
        var path = Path.Combine(_folder, "cat.webp");
        await File.WriteAllBytesAsync(path, [4, 5], Token);
        DataContent? frame = null;
        var generator = new TestVideoGenerator
        {
            OnGenerate = (request, _, _) =>
            {
                frame = request.StartFrame as DataContent;
                return Task.FromResult(Videos.Response());
            },
        };
        await generator.AnimateImageAsync(path, "it waves", cancellationToken: Token);
        Assert.Equal("image/webp", frame!.MediaType);
        Assert.Equal([4, 5], frame.Data.ToArray());
    }

    // A file, and its bytes.
    private static async Task<MLVideo[]> VideosOf(string path) =>
        [new(Reference(path)), new(new DataContent(await File.ReadAllBytesAsync(path, Token), "video/mp4"))];

    private static UriContent Reference(string path) => new(new Uri(new Uri(path).AbsoluteUri), "image/png");

    private static DistributedCachingVideoGenerator Cached() => new(
        new TestVideoGenerator(), new MemoryDistributedCache(Options.Create(new MemoryDistributedCacheOptions())));

    private string[] NoFiles()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Devices of Linux");
        string pipe = Path.Combine(_folder, "pipe.png"), device = Path.Combine(_folder, "device.png"),
            circle = Path.Combine(_folder, "circle.png");
        if (!File.Exists(pipe))
        {
            using var process = Process.Start("mkfifo", [pipe]);
            process.WaitForExit();
            File.CreateSymbolicLink(device, "/dev/zero");
            File.CreateSymbolicLink(circle, circle);
        }
        return [pipe, device, circle];
    }
}
