using System.Text;
using FFMpegCore;
using SkiaSharp;
using TorchSharp;
using TurboDiffusion.Generation.Media;
using Xunit;

namespace TurboDiffusion.Tests.Media;

public sealed class VideoSinkTests : IDisposable
{
    private const int Width = 64, Height = 48;

    // Everything that a command line, a metadata file or JSON could trip over.
    private static readonly VideoMetadata Metadata =
        new("a cat's \"best\" day; 50% = \\half\\ #1\nпривет 猫 🐈 \\\" -y $HOME `ls`\\", 1234567890123, "Wan2.1-T2V-1.3B", "0.1.0");

    private static readonly VideoFormat Format = new(Width, Height, 16);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_mp4_holds_the_frames_the_speed_and_the_metadata()
    {
        string path = await WriteAsync("video.mp4");
        IMediaAnalysis media = await FFProbe.AnalyseAsync(path);
        VideoStream stream = media.PrimaryVideoStream!;
        Assert.Equal(("h264", "yuv420p", Width, Height, 16.0),
            (stream.CodecName, stream.PixelFormat, stream.Width!.Value, stream.Height!.Value, stream.AverageFrameRate));
        Assert.Equal(("bt709", "bt709", "bt709", "tv"),
            (stream.ColorSpace, stream.ColorPrimaries, stream.ColorTransfer, stream.ColorRange));
        AssertTags(media);
        Assert.Equal(9, (await FFProbe.GetFramesAsync(path)).Frames.Count);
        byte[] bytes = await File.ReadAllBytesAsync(path);
        int moov = bytes.AsSpan().IndexOf("moov"u8), mdat = bytes.AsSpan().IndexOf("mdat"u8);
        Assert.True(moov > 0 && moov < mdat, "the index (moov) comes after the data (mdat): the file cannot be played while it loads");
        Assert.Equal(["video.mp4"], _folder.Entries);
    }

    [Fact]
    public async Task A_webm_holds_the_frames_the_speed_and_the_metadata()
    {
        string path = await WriteAsync("video.webm");
        IMediaAnalysis media = await FFProbe.AnalyseAsync(path);
        VideoStream stream = media.PrimaryVideoStream!;
        Assert.Equal(("vp9", "yuv420p", Width, Height, 16.0),
            (stream.CodecName, stream.PixelFormat, stream.Width!.Value, stream.Height!.Value, stream.AverageFrameRate));
        AssertTags(media);
        Assert.Equal(9, (await FFProbe.GetFramesAsync(path)).Frames.Count);
    }

    [Fact]
    public async Task A_gif_holds_the_frames_and_the_metadata()
    {
        string path = await WriteAsync("video.gif");
        IMediaAnalysis media = await FFProbe.AnalyseAsync(path);
        Assert.Equal(("gif", Width, Height),
            (media.PrimaryVideoStream!.CodecName, media.PrimaryVideoStream.Width!.Value, media.PrimaryVideoStream.Height!.Value));
        Assert.Equal(9, (await FFProbe.GetFramesAsync(path)).Frames.Count);
        Assert.InRange(media.Duration.TotalSeconds, 0.5, 0.62);
        Assert.Contains(Metadata.ToJson()[..100], Encoding.UTF8.GetString(await File.ReadAllBytesAsync(path)));
        Assert.Equal(["video.gif"], _folder.Entries);
    }

    [Fact]
    public async Task Png_frames_are_exact_and_have_the_metadata_beside_them()
    {
        string path = await WriteAsync("frames/");
        Assert.Equal(["frames"], _folder.Entries);
        Assert.Equal(10, Directory.GetFiles(path).Length);
        Assert.Equal(Metadata, VideoMetadata.FromJson(await File.ReadAllTextAsync(Path.Combine(path, "metadata.json"))));
        using torch.Tensor image = ImageReader.Read(Path.Combine(path, "frame_00008.png"));
        using torch.Tensor expected = Frames(9)[8].permute(2, 0, 1);
        Comparison.Exact(expected, image, "frame 8");
    }

    [Fact]
    public async Task Many_png_frames_are_each_their_own_whoever_wrote_them()
    {
        string path = _folder.File("frames/");
        await using (IFrameSink sink = VideoSink.Open(path, Format, Metadata))
        {
            // Enough to keep every writer busy.
            for (int i = 0; i < 300; i++)
            {
                using torch.Tensor frame = torch.full([1, Height, Width, 3], i % 251, torch.uint8);
                sink.Write(frame);
            }
            await sink.CompleteAsync();
        }
        for (int i = 0; i < 300; i += 7)
        {
            using SKBitmap picture = SKBitmap.Decode(Path.Combine(path, $"frame_{i:00000}.png"));
            Assert.Equal(new SKColor((byte)(i % 251), (byte)(i % 251), (byte)(i % 251)), picture.GetPixel(Width - 1, Height - 1));
        }
    }

    [Fact]
    public void As_many_frames_may_wait_as_fit_into_bounded_memory()
    {
        Assert.Equal(128, new VideoFormat(832, 480, 16).FramesWaiting);
        Assert.Equal(97, new VideoFormat(1280, 720, 16).FramesWaiting);
        Assert.Equal(8, new VideoFormat(8192, 8192, 16).FramesWaiting);
        Assert.Equal(128, Format.FramesWaiting);
    }

    [Fact]
    public async Task Nvenc_is_tried_before_the_work_begins()
    {
        var nvenc = new VideoOptions { Nvenc = true };
        Assert.Equal("nvenc", Assert.Throws<InvalidRequestException>(() => VideoSink.Check(_folder.File("video.webm"), nvenc)).Parameter);
        try
        {
            VideoSink.Check(_folder.File("video.mp4"), nvenc);
        }
        catch (EnvironmentException e)
        {
            // This machine has no such GPU, driver or ffmpeg: said with the reason, and nothing was begun.
            Assert.Contains("does not encode with NVENC here", e.Message);
            Assert.Empty(_folder.Entries);
            return;
        }
        await using IFrameSink sink = VideoSink.Open(_folder.File("video.mp4"), new VideoFormat(256, 256, 16), Metadata, nvenc);
        using torch.Tensor frames = torch.zeros([9, 256, 256, 3], torch.uint8);
        sink.Write(frames);
        await sink.CompleteAsync();
        Assert.Equal("h264", (await FFProbe.AnalyseAsync(_folder.File("video.mp4"))).PrimaryVideoStream!.CodecName);
    }

    [Theory]
    [InlineData("video.mp4", 6)]
    [InlineData("video.webm", 8)]
    [InlineData("video.gif", 2)]
    public async Task A_colour_survives_the_trip(string name, int tolerance)
    {
        string path = _folder.File(name);
        byte[] color = [200, 60, 30];
        await using (IFrameSink sink = VideoSink.Open(path, Format, Metadata))
        {
            using torch.Tensor frames = torch.tensor(color, torch.uint8).expand(4, Height, Width, 3);
            sink.Write(frames);
            await sink.CompleteAsync();
        }
        string png = _folder.File("decoded.png");
        await FFMpegArguments.FromFileInput(path).OutputToFile(png, true, o => o.WithCustomArgument("-frames:v 1")).ProcessAsynchronously();
        using torch.Tensor image = ImageReader.Read(png);
        for (int c = 0; c < 3; c++)
            Assert.InRange(image[c].to(torch.float32).mean().item<float>(), color[c] - tolerance, color[c] + tolerance);
    }

    [Theory]
    [InlineData("video.mp4")]
    [InlineData("video.gif")]
    [InlineData("frames/")]
    public async Task Giving_up_leaves_nothing(string name)
    {
        using torch.Tensor frames = Frames(20);
        await using (IFrameSink sink = VideoSink.Open(_folder.File(name), Format, Metadata))
            sink.Write(frames);
        Assert.Empty(_folder.Entries);
    }

    [Theory]
    [InlineData("video.mp4")]
    [InlineData("frames/")]
    public async Task Cancelling_stops_the_encoder_and_leaves_nothing(string name)
    {
        using var cancellation = new CancellationTokenSource();
        using torch.Tensor frames = Frames(4);
        await using (IFrameSink sink = VideoSink.Open(_folder.File(name), Format, Metadata, cancellationToken: cancellation.Token))
        {
            sink.Write(frames);
            await cancellation.CancelAsync();
            Assert.ThrowsAny<OperationCanceledException>(() => sink.Write(frames));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sink.CompleteAsync());
        }
        Assert.Empty(_folder.Entries);
    }

    // Ctrl-C in a terminal: SIGINT goes to ffmpeg too, and may reach it first.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_interrupted_encoder_is_a_cancellation_if_there_is_one_and_leaves_nothing(bool cancelled)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "ffmpeg's process is found through /proc");
        using torch.Tensor frames = Frames(4);
        using var cancellation = new CancellationTokenSource();
        await using (IFrameSink sink = VideoSink.Open(_folder.File("video.mp4"), Format, Metadata, cancellationToken: cancellation.Token))
        {
            sink.Write(frames);
            int encoder;
            while ((encoder = ProcessIn(_folder.Path)) == 0) await Task.Delay(20);
            if (cancelled) cancellation.CancelAfter(200);
            using (var kill = System.Diagnostics.Process.Start("kill", ["-INT", $"{encoder}"])) await kill.WaitForExitAsync();
            Exception error = await Assert.ThrowsAnyAsync<Exception>(async () =>
            {
                for (int i = 0; i < 1000; i++)
                {
                    sink.Write(frames);
                    await Task.Delay(10);
                }
            });
            if (cancelled) Assert.IsAssignableFrom<OperationCanceledException>(error);
            else Assert.Contains("another program", Assert.IsType<EnvironmentException>(error).Message);
        }
        Assert.Empty(_folder.Entries);
    }

    [Fact]
    public async Task A_failing_encoder_is_reported_with_its_reason_and_leaves_nothing()
    {
        // libx264 refuses pictures wider than 16384.
        var wide = new VideoFormat(20_000, 16, 16);
        using torch.Tensor frames = torch.zeros(1, 16, 20_000, 3, torch.uint8);
        await using (IFrameSink sink = VideoSink.Open(_folder.File("video.mp4"), wide, Metadata))
        {
            EnvironmentException error = await Assert.ThrowsAsync<EnvironmentException>(async () =>
            {
                for (int i = 0; i < 100; i++) sink.Write(frames);
                await sink.CompleteAsync();
            });
            Assert.Equal("ffmpeg", error.Dependency);
            Assert.Contains("failed with code", error.Message);
        }
        Assert.Empty(_folder.Entries);
    }

    [Fact]
    public async Task A_file_that_exists_is_replaced_only_when_asked_for()
    {
        string path = _folder.File("video.mp4");
        await File.WriteAllTextAsync(path, "mine");
        Assert.Contains("exists already", Assert.Throws<InvalidRequestException>(() => VideoSink.Open(path, Format, Metadata)).Message);
        Assert.Equal("mine", await File.ReadAllTextAsync(path));
        await WriteAsync("video.mp4", new VideoOptions { Overwrite = true });
        Assert.True(new FileInfo(path).Length > 1000);
        Assert.Equal(["video.mp4"], _folder.Entries);
    }

    [Fact]
    public async Task A_folder_of_frames_is_replaced_only_when_asked_for_and_never_with_other_files_in_it()
    {
        string path = await WriteAsync("frames/");
        Assert.Throws<InvalidRequestException>(() => VideoSink.Check(path));
        await WriteAsync("frames/", new VideoOptions { Overwrite = true });
        Assert.Equal(["frames"], _folder.Entries);
        await File.WriteAllTextAsync(Path.Combine(path, "thesis.txt"), "mine");
        Assert.Contains("thesis.txt",
            Assert.Throws<InvalidRequestException>(() => VideoSink.Check(path, new VideoOptions { Overwrite = true })).Message);
    }

    [Fact]
    public async Task Memory_does_not_grow_with_the_length()
    {
        using torch.Tensor frames = torch.zeros(4, 240, 320, 3, torch.uint8);
        await using IFrameSink sink = VideoSink.Open(_folder.File("video.mp4"), new VideoFormat(320, 240, 16), Metadata);
        // The writing thread takes the buffers: were frames to pile up, it would have to allocate ever more of them.
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 200; i++) sink.Write(frames);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before, written = 200 * frames.numel();
        Assert.True(allocated < written / 2, $"{allocated} bytes were allocated to write {written} bytes of frames");
        await sink.CompleteAsync();
    }

    [Fact]
    public async Task Frames_of_another_size_or_type_are_refused()
    {
        await using IFrameSink sink = VideoSink.Open(_folder.File("video.mp4"), Format, Metadata);
        using torch.Tensor small = torch.zeros(1, Height, Width - 2, 3, torch.uint8), floats = torch.zeros(1, Height, Width, 3);
        Assert.Throws<ArgumentException>(() => sink.Write(small));
        Assert.Throws<ArgumentException>(() => sink.Write(floats));
        await Assert.ThrowsAsync<InvalidOperationException>(() => sink.CompleteAsync());
    }

    [Fact]
    public void Model_output_is_clamped_and_rounded()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor video = torch.tensor(new[] { -3f, -1f, -0.9961f, 0f, 0.5f, 1f, 2f, 0.003f, -0.003f }, [3, 1, 1, 3]);
        torch.Tensor frames = VideoFrames.FromModelOutput(video);
        Assert.Equal([1, 1, 3, 3], frames.shape);
        Assert.Equal(new byte[] { 0, 128, 255, 0, 191, 128, 0, 255, 127 }, frames.data<byte>().ToArray());
        Comparison.Exact(frames, VideoFrames.FromModelOutput(video.unsqueeze(0))[0], "batched frames");
    }

    /// <summary>A gradient that moves.</summary>
    private static torch.Tensor Frames(int count)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor t = torch.arange(count, torch.float32).view(-1, 1, 1, 1) * 8;
        torch.Tensor y = torch.arange(Height, torch.float32).view(1, -1, 1, 1) * 2,
            x = torch.arange(Width, torch.float32).view(1, 1, -1, 1) * 3;
        return torch.cat([(t + x + 0 * y).remainder(256), (t + y + 0 * x).remainder(256), (x + y + 0 * t).remainder(256)],
            3).to(torch.uint8).MoveToOuterDisposeScope();
    }

    /// <summary>The id of a process whose working folder is within this one, or 0.</summary>
    private static int ProcessIn(string folder) => Directory.GetDirectories("/proc")
        .Where(d => int.TryParse(Path.GetFileName(d), out _) && WorkingFolder(d)?.StartsWith(folder, StringComparison.Ordinal) == true)
        .Select(d => int.Parse(Path.GetFileName(d), System.Globalization.CultureInfo.InvariantCulture)).FirstOrDefault();

    private static string? WorkingFolder(string process)
    {
        try
        {
            return new FileInfo(Path.Combine(process, "cwd")).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static void AssertTags(IMediaAnalysis media)
    {
        Dictionary<string, string> tags = new(media.Format.Tags!, StringComparer.OrdinalIgnoreCase);
        Assert.Equal(Metadata.Prompt, tags["title"]);
        Assert.Equal(Metadata.Prompt, tags["description"]);
        Assert.Equal(Metadata, VideoMetadata.FromJson(tags["comment"]));
    }

    private async Task<string> WriteAsync(string name, VideoOptions? options = null)
    {
        string path = _folder.File(name);
        using torch.Tensor frames = Frames(9);
        await using IFrameSink sink = VideoSink.Open(path, Format, Metadata, options);
        using (torch.Tensor first = frames.narrow(0, 0, 1)) sink.Write(first);
        using (torch.Tensor rest = frames.narrow(0, 1, 8)) sink.Write(rest);
        await sink.CompleteAsync();
        return path;
    }
}
