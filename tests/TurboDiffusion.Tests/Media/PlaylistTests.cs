using TorchSharp;
using TurboDiffusion.Generation.Media;
using Xunit;

namespace TurboDiffusion.Tests.Media;

/// <summary>Descriptions that name other files, under the name of a video: not one of those is opened.</summary>
public sealed class PlaylistTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{0}\n#EXT-X-ENDLIST\n")]
    [InlineData("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother/secret.mp4\n#EXT-X-ENDLIST\n")]
    [InlineData("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:{0}\n#EXT-X-ENDLIST\n")]
    [InlineData("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{0}\n")]
    [InlineData("ffconcat version 1.0\nfile '{0}'\n")]
    [InlineData("ffconcat version 1.0\nfile other/secret.mp4\n")]
    [InlineData("<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" "
        + "mediaPresentationDuration=\"PT1S\"><Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"0\" "
        + "bandwidth=\"1\"><BaseURL>{0}</BaseURL></Representation></AdaptationSet></Period></MPD>")]
    [InlineData("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n")]
    [InlineData("<smil><body><video src=\"{0}\"/></body></smil>")]
    [InlineData("[Reference]\nRef1={0}\n")]
    public async Task A_playlist_by_any_name_opens_no_other_file(string playlist)
    {
        string secret = Path.Combine(Directory.CreateDirectory(_folder.File("other")).FullName, "secret.mp4");
        await using (IFrameSink sink = VideoSink.Open(secret, new VideoFormat(64, 32, 8), new VideoMetadata("p", 1, "m", "v")))
        {
            using (torch.Tensor frames = torch.full([9, 32, 64, 3], 200, torch.uint8)) sink.Write(frames);
            await sink.CompleteAsync();
        }
        DateTime untouched = File.GetLastAccessTimeUtc(secret);
        foreach (string ending in new[] { ".mp4", ".m3u8" })
        {
            string path = _folder.File("video" + ending);
            await File.WriteAllTextAsync(path, playlist.Replace("{0}", secret));
            Assert.Throws<InvalidRequestException>(() => VideoReader.ReadClips(path, new VideoFormat(64, 32, 8), 1).Count());
        }
        Assert.Equal(untouched, File.GetLastAccessTimeUtc(secret));
    }

    [Theory]
    [InlineData(".mp4", ".m4v", "mp4")]
    [InlineData(".mp4", ".mov", "mov")]
    [InlineData(".mp4", ".mkv", "matroska")]
    [InlineData(".mp4", ".avi", "avi")]
    [InlineData(".webm", ".webm", "webm")]
    [InlineData(".gif", ".gif", "gif")]
    public async Task Every_format_that_is_looked_for_is_read(string made, string ending, string format)
    {
        string path = _folder.File("made" + made), video = _folder.File("video" + ending);
        await using (IFrameSink sink = VideoSink.Open(path, new VideoFormat(64, 32, 8), new VideoMetadata("p", 1, "m", "v")))
        {
            using (torch.Tensor frames = torch.full([9, 32, 64, 3], 200, torch.uint8)) sink.Write(frames);
            await sink.CompleteAsync();
        }
        using (var process = System.Diagnostics.Process.Start("ffmpeg", ["-v", "error", "-i", path, "-c", "copy", "-f", format, video]))
            await process.WaitForExitAsync();
        torch.Tensor clip = VideoReader.ReadClips(video, new VideoFormat(64, 32, 8), 5).First();
        Assert.InRange(clip.to(torch.float32).mean().item<float>(), 196, 204);
    }
}
