using TorchSharp;
using TurboDiffusion.Generation.Media;
using Xunit;

namespace TurboDiffusion.Tests.Media;

public class VideoReaderTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_video_is_cut_into_clips_of_the_right_frames_and_colours()
    {
        using var folder = new TemporaryFolder();
        // 22 frames at 8 per second, each of its own grey with a red right half.
        string path = await Write(folder, "long \"video\".mp4", 22, 8, t => 40 + 8 * t);
        torch.Tensor[] clips = [.. VideoReader.ReadClips(path, new VideoFormat(64, 32, 8), 9, Token)];
        Assert.Equal(2, clips.Length);
        for (int c = 0; c < 2; c++)
        {
            Assert.Equal([9, 32, 64, 3], clips[c].shape);
            Assert.Equal(torch.uint8, clips[c].dtype);
            for (int t = 0; t < 9; t++)
            {
                Assert.InRange(clips[c][t, 16, 8, 1].ToInt32(), 40 + 8 * (9 * c + t) - 4, 40 + 8 * (9 * c + t) + 4);
                Assert.InRange(clips[c][t, 16, 56, 0].ToInt32(), 180, 220);
                Assert.InRange(clips[c][t, 16, 56, 1].ToInt32(), 0, 30);
            }
        }
    }

    [Fact]
    public async Task Frames_are_dropped_to_a_lower_rate_and_cropped_around_the_centre()
    {
        using var folder = new TemporaryFolder();
        string path = await Write(folder, "video.mp4", 16, 16, _ => 128);
        torch.Tensor clip = Assert.Single(VideoReader.ReadClips(path, new VideoFormat(16, 16, 4), 4, Token));
        // Half of the width is left of the boundary, as in the whole picture.
        Assert.InRange(clip[0, 8, 4, 0].ToInt32(), 120, 136);
        Assert.InRange(clip[0, 8, 11, 0].ToInt32(), 180, 220);
        Assert.Empty(VideoReader.ReadClips(path, new VideoFormat(16, 16, 4), 5, Token));
    }

    [Fact]
    public void What_is_no_video_is_said_by_name()
    {
        using var folder = new TemporaryFolder();
        string text = Path.Combine(folder.Path, "notes.mp4");
        File.WriteAllText(text, "not a video");
        var format = new VideoFormat(16, 16, 4);
        Assert.Contains("notes.mp4", Assert.Throws<InvalidRequestException>(() => VideoReader.ReadClips(text, format, 5, Token)
            .Count()).Message);
        Assert.Contains("none.mp4", Assert.Throws<InvalidRequestException>(() =>
            VideoReader.ReadClips(Path.Combine(folder.Path, "none.mp4"), format, 5, Token).Count()).Message);
    }

    [Fact]
    public async Task A_playlist_opens_no_other_address()
    {
        using var folder = new TemporaryFolder();
        string list = Path.Combine(folder.Path, "list.m3u8");
        await File.WriteAllTextAsync(list,
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/video.ts\n#EXT-X-ENDLIST\n", Token);
        Assert.Throws<InvalidRequestException>(() => VideoReader.ReadClips(list, new VideoFormat(16, 16, 4), 5, Token).Count());
    }

    [Fact]
    public async Task Cancelling_ends_the_reading()
    {
        using var folder = new TemporaryFolder();
        string path = await Write(folder, "video.mp4", 64, 16, _ => 128);
        using var cancellation = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() =>
        {
            foreach (torch.Tensor _ in VideoReader.ReadClips(path, new VideoFormat(16, 16, 16), 2, cancellation.Token))
                cancellation.Cancel();
        });
    }

    private static async Task<string> Write(TemporaryFolder folder, string name, int frames, double fps, Func<int, int> grey)
    {
        string path = Path.Combine(folder.Path, name);
        await using IFrameSink sink = VideoSink.Open(path, new VideoFormat(64, 32, fps), new VideoMetadata("p", 1, "m", "v"),
            new VideoOptions { Crf = 4 }, Token);
        for (int t = 0; t < frames; t++)
        {
            using var scope = torch.NewDisposeScope();
            torch.Tensor frame = torch.full([1, 32, 64, 3], grey(t), torch.uint8);
            frame.narrow(2, 32, 32).copy_(torch.tensor(new byte[] { 200, 10, 10 }));
            sink.Write(frame);
        }
        await sink.CompleteAsync(Token);
        return path;
    }
}
