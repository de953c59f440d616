using System.Diagnostics;
using TorchSharp;
using TurboDiffusion.Generation.Media;
using Xunit;

namespace TurboDiffusion.Tests.Media;

/// <summary>
/// Every way in which a disk or ffmpeg fails while a video is written: a typed error, nothing left, and what was there stays.
/// </summary>
public sealed class WriteFailureTests : IDisposable
{
    private const int Width = 192, Height = 112, Count = 17;

    private static readonly VideoFormat Format = new(Width, Height, 8);
    private static readonly VideoMetadata Metadata = new("p", 1, "m", "v");

    // With one that hangs; any other is as slow as the machine is busy.
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(1);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("video.mp4")]
    [InlineData("video.webm")]
    [InlineData("video.gif")]
    [InlineData("frames/")]
    public async Task A_full_disk_is_an_error_wherever_it_fills_up(string name)
    {
        using var disk = new SmallDisk(1024);
        // A video of less than any of these, which must stay.
        await WriteAsync(disk.File(name), frames: 1, noise: 0);
        string[] before = disk.Content;
        foreach (int kilobytes in new[] { 0, 4, 8, 48 })
        {
            string filler = disk.File("filler");
            await File.WriteAllBytesAsync(filler, new byte[disk.Free - 1024 * kilobytes]);
            EnvironmentException error = await Assert.ThrowsAsync<EnvironmentException>(() =>
                WriteAsync(disk.File(name), Count, noise: 255));
            Assert.Contains("No space left on device", error.Message);
            Assert.Contains(disk.Path, error.Message);
            File.Delete(filler);
            Assert.Equal(before, disk.Content);
        }
        // And with room, it is replaced.
        await WriteAsync(disk.File(name), frames: 3, noise: 30);
        Assert.NotEqual(before, disk.Content);
    }

    // The real one, at each number of bytes at which its writing may stop: the end of a file is where ffmpeg itself says nothing.
    [Fact]
    public async Task An_mp4_is_whole_or_an_error_at_every_size_of_the_disk()
    {
        using var disk = new SmallDisk(512);
        int errors = 0, files = 0;
        for (int kilobytes = 0; kilobytes <= 200; kilobytes += 20)
        {
            string filler = disk.File("filler"), path = disk.File("video.mp4");
            await File.WriteAllBytesAsync(filler, new byte[disk.Free - 1024 * kilobytes]);
            try
            {
                await WriteAsync(path, Count, noise: 8);
                Assert.Equal(Count, await Frames(path));
                files++;
                File.Delete(path);
            }
            catch (EnvironmentException)
            {
                errors++;
            }
            File.Delete(filler);
            Assert.Empty(disk.Content);
        }
        Assert.True(errors > 2 && files > 2, $"{errors} errors and {files} files");
    }

    [Theory]
    [InlineData("exit 0", "0 of 17 frames|code 0")]
    [InlineData("cat >/dev/null; exit 0", "0 of 17 frames")]
    [InlineData("cat >/dev/null; for out; do :; done; [ \"$out\" = - ] || head -c 9000 /dev/urandom > \"$out\"", "cannot be played")]
    [InlineData("head -c 100000 >/dev/null; kill -KILL $$", "code 137")]
    [InlineData("head -c 100000 >/dev/null; exit 0", "0 of 17 frames|code 0")]
    [InlineData("cat >/dev/null; echo 'no such muxer' >&2; exit 1", @"code 1 \(no such muxer\)")]
    [InlineData("kill -TERM $$", "ended by another program")]
    [InlineData("exec sleep 100", "hung")]
    [InlineData("cat >/dev/null; exec sleep 100", "hung")]
    [InlineData("sleep 100 & wait", "hung")]
    public async Task An_ffmpeg_that_fails_is_an_error(string encode, string expected)
    {
        string path = _folder.File("video.mp4");
        await File.WriteAllTextAsync(path, "mine");
        FFmpeg ffmpeg = StandIn(encode);
        if (expected == "hung") ffmpeg = ffmpeg with { Patience = Short };
        EnvironmentException error = await Assert.ThrowsAsync<EnvironmentException>(() => WriteAsync(path, Count, 255, ffmpeg));
        Assert.Matches(expected, error.Message);
        Assert.Equal("mine", await File.ReadAllTextAsync(path));
        Assert.Equal(["bin", "video.mp4"], _folder.Entries);
    }

    [Fact]
    public async Task A_hanging_check_and_a_hanging_question_end_too()
    {
        FFmpeg hangsInCheck = StandIn("case \"$*\" in *framecrc*) exec sleep 100;; esac; exec ffmpeg \"$@\"")
            with { Patience = Short };
        EnvironmentException error = await Assert.ThrowsAsync<EnvironmentException>(() =>
            WriteAsync(_folder.File("video.mp4"), Count, 30, hangsInCheck));
        Assert.Contains("hung", error.Message);
        Assert.Equal(["bin"], _folder.Entries);
    }

    [Fact]
    public async Task A_hanging_ffmpeg_ends_at_once_when_the_work_is_cancelled()
    {
        FFmpeg ffmpeg = StandIn("exec sleep 100");
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        var clock = Stopwatch.StartNew();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            WriteAsync(_folder.File("video.mp4"), Count, 255, ffmpeg, cancellation.Token));
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), $"it took {clock.Elapsed}");
        Assert.Equal(["bin"], _folder.Entries);
    }

    [Theory]
    [InlineData("still.mp4")]
    [InlineData("still.webm")]
    [InlineData("still.gif")]
    public async Task A_picture_that_does_not_move_passes_the_check(string name)
    {
        await WriteAsync(_folder.File(name), Count, noise: 0);
        Assert.Equal(Count, await Frames(_folder.File(name)));
    }

    [Fact]
    public async Task Folders_are_made_and_removed_again_if_the_video_fails()
    {
        string path = _folder.File("a/b/video.mp4");
        VideoTarget.Check(path);
        Assert.Empty(_folder.Entries);
        await Assert.ThrowsAsync<EnvironmentException>(() => WriteAsync(path, Count, 255, StandIn("exit 0")));
        Assert.Equal(["bin"], _folder.Entries);
        await WriteAsync(path, Count, 30);
        Assert.True(File.Exists(path));
    }

    /// <summary>An ffmpeg that answers what it can do, and then does something else.</summary>
    private FFmpeg StandIn(string encode)
    {
        string path = Path.Combine(Directory.CreateDirectory(_folder.File("bin")).FullName, "ffmpeg");
        ShellScript.Write(path, $"case \"$*\" in *-version*|*-encoders*) exec {FFmpeg.Locate().Path} \"$@\";; esac\n{encode}");
        return FFmpeg.Locate(path, null);
    }

    private static async Task WriteAsync(string path, int frames, int noise, FFmpeg? ffmpeg = null,
        CancellationToken cancellationToken = default)
    {
        var options = new VideoOptions { Overwrite = true };
        await using IFrameSink sink = ffmpeg is null
            ? VideoSink.Open(path, Format, Metadata, options, cancellationToken)
            : new FFmpegSink(ffmpeg, VideoTarget.Check(path, overwrite: true), Format, Metadata, options, cancellationToken);
        using torch.Tensor video = torch.rand(frames, Height, Width, 3, generator: new torch.Generator(1)).mul_(noise).to(torch.uint8);
        sink.Write(video);
        await sink.CompleteAsync(cancellationToken);
    }

    private static async Task<int> Frames(string path) => (await FFMpegCore.FFProbe.GetFramesAsync(path)).Frames.Count;
}
