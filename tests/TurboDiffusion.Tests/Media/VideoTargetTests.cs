using TurboDiffusion.Generation.Media;
using Xunit;

namespace TurboDiffusion.Tests.Media;

public sealed class VideoTargetTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("video.mp4", VideoContainer.Mp4)]
    [InlineData("VIDEO.MP4", VideoContainer.Mp4)]
    [InlineData("video.webm", VideoContainer.WebM)]
    [InlineData("a.b.gif", VideoContainer.Gif)]
    [InlineData("frames/", VideoContainer.PngFrames)]
    [InlineData("", VideoContainer.PngFrames)]
    public void The_name_says_the_format(string name, VideoContainer container)
    {
        Assert.Equal(container, VideoTarget.Check(Path.Combine(_folder.Path, name)).Container);
        Assert.Empty(_folder.Entries);
    }

    [Theory]
    [InlineData("video.avi", "use .mp4, .webm or .gif")]
    [InlineData("video", "use .mp4, .webm or .gif")]
    [InlineData("file/video.mp4", "is not a folder")]
    [InlineData("file/missing/frames/", "is not a folder")]
    public void Paths_that_cannot_be_written_are_refused(string name, string reason)
    {
        File.WriteAllText(_folder.File("file"), "");
        InvalidRequestException error = Assert.Throws<InvalidRequestException>(() => VideoTarget.Check(_folder.File(name)));
        Assert.Equal("output", error.Parameter);
        Assert.Contains(reason, error.Message);
    }

    [Fact]
    public void An_empty_path_and_the_root_are_refused()
    {
        Assert.Throws<InvalidRequestException>(() => VideoTarget.Check(" "));
        Assert.Throws<InvalidRequestException>(() => VideoTarget.Check(Path.GetPathRoot(_folder.Path)!));
        Assert.Throws<InvalidRequestException>(() => VideoTarget.Check("a\0b.mp4"));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_refused()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/proc is a folder that nobody can write to, on Linux");
        Assert.Contains("cannot be written", Assert.Throws<InvalidRequestException>(() => VideoTarget.Check("/proc/video.mp4")).Message);
    }

    [Theory]
    [InlineData("video.mp4", 52)]
    [InlineData("video.webm", 64)]
    [InlineData("video.mp4", -1)]
    public void A_quality_out_of_range_is_refused(string name, int crf) =>
        Assert.Equal("crf", Assert.Throws<InvalidRequestException>(() =>
            VideoSink.Check(_folder.File(name), new VideoOptions { Crf = crf })).Parameter);

    [Theory]
    [InlineData(63, 48, 16)]
    [InlineData(64, 0, 16)]
    [InlineData(64, 48, 0)]
    [InlineData(64, 48, double.NaN)]
    public void Impossible_formats_are_refused(int width, int height, double fps) =>
        Assert.Throws<InvalidRequestException>(() => new VideoFormat(width, height, fps));
}
