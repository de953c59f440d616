using TurboDiffusion.Generation.Media;
using Xunit;

namespace TurboDiffusion.Tests.Media;

public sealed class FFmpegTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void It_is_found_on_the_path_with_its_encoders()
    {
        FFmpeg ffmpeg = FFmpeg.Locate();
        Assert.True(File.Exists(ffmpeg.Path));
        Assert.Matches(@"^\S+$", ffmpeg.Version);
        foreach (VideoContainer container in Enum.GetValues<VideoContainer>()) ffmpeg.Require(container);
        Assert.Equal(ffmpeg.Path, FFmpeg.Locate(ffmpeg.Path, null).Path);
        Assert.Equal(ffmpeg.Path, FFmpeg.Locate(Path.GetDirectoryName(ffmpeg.Path), null).Path);
    }

    [Fact]
    public void Its_absence_is_reported_with_the_remedy()
    {
        EnvironmentException error = Assert.Throws<EnvironmentException>(() => FFmpeg.Locate(null, _folder.Path));
        Assert.Equal("ffmpeg", error.Dependency);
        Assert.Contains("apt-get install ffmpeg", error.Message);
        Assert.Contains(FFmpeg.Variable, Assert.Throws<EnvironmentException>(() => FFmpeg.Locate(_folder.Path, "/usr/bin")).Message);
    }

    [Fact]
    public void One_without_the_encoder_and_one_that_does_not_run_are_reported()
    {
        string path = _folder.File("ffmpeg");
        ShellScript.Write(path, "echo 'ffmpeg version 9.9 Copyright'\necho ' ------'\necho ' V....D gif  GIF'");
        if (OperatingSystem.IsLinux()) File.SetUnixFileMode(path, UnixFileMode.UserRead);
        Assert.Throws<EnvironmentException>(() => FFmpeg.Locate(path, null));
        if (OperatingSystem.IsLinux()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        FFmpeg ffmpeg = FFmpeg.Locate(path, null);
        Assert.Equal("9.9", ffmpeg.Version);
        ffmpeg.Require(VideoContainer.Gif);
        Assert.Contains("libx264", Assert.Throws<EnvironmentException>(() => ffmpeg.Require(VideoContainer.Mp4)).Message);
    }

    [Fact]
    public void A_program_is_asked_once_and_again_when_it_is_replaced()
    {
        string path = _folder.File("ffmpeg"), calls = _folder.File("calls");
        void Install(string version, DateTime installed)
        {
            ShellScript.Write(path, $"echo \"$4\" >> '{calls}'\necho 'ffmpeg version {version} Copyright'\necho ' ------'");
            File.SetLastWriteTimeUtc(path, installed);
        }

        Install("9.8", DateTime.UnixEpoch.AddDays(1));
        for (int i = 0; i < 3; i++) Assert.Equal("9.8", FFmpeg.Locate(path, null).Version);
        Assert.Equal(["-version", "-encoders"], File.ReadAllLines(calls));
        Install("9.9", DateTime.UnixEpoch.AddDays(2));
        Assert.Equal("9.9", FFmpeg.Locate(path, null).Version);
        Assert.Equal(4, File.ReadAllLines(calls).Length);
    }
}
