using TorchSharp;
using TurboDiffusion.Generation.Media;
using Xunit;

namespace TurboDiffusion.Tests.Media;

public sealed class ContactSheetTests : IDisposable
{
    private const int Gap = ContactSheet.Gap;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_picture_has_a_row_of_frames_for_each_clip_above_its_caption()
    {
        using var scope = torch.NewDisposeScope();
        string path = Path.Combine(_folder.Path, "sheet.png");
        new ContactSheet([Clip(10), Clip(100)], (clip, width) => torch.full([3, width, 3], clip, torch.uint8))
            .WritePicture(path, frames: 3);
        torch.Tensor sheet = ImageReader.Read(path);
        Assert.Equal([3, 2 * (4 + 3) + Gap, 3 * 6 + 2 * Gap], sheet.shape);
        for (int row = 0; row < 2; row++)
        {
            int top = row * (4 + 3 + Gap), first = row == 0 ? 10 : 100;
            // Of five frames, the first, the middle and the last.
            for (int column = 0; column < 3; column++)
                Assert.All(Levels(sheet, top, 4, column * (6 + Gap), 6), level => Assert.Equal(first + 2 * column, level));
            Assert.All(Levels(sheet, top + 4, 3, 0, 3 * 6 + 2 * Gap), level => Assert.Equal(row, level));
        }
        Assert.All(Levels(sheet, 0, 4, 6, Gap), level => Assert.Equal(255, level));
    }

    [Fact]
    public void A_video_has_every_clip_in_a_grid_of_even_size()
    {
        using var scope = torch.NewDisposeScope();
        string path = Path.Combine(_folder.Path, "frames/");
        torch.Tensor[] clips = [.. Enumerable.Range(0, 5).Select(i => Clip(50 * i, width: 5))];
        new ContactSheet(clips).WriteVideo(path, 8, new VideoMetadata("a prompt", 1, "a model", "1"),
            TestContext.Current.CancellationToken);
        Assert.Equal(5, Directory.GetFiles(path, "frame_*.png").Length);
        torch.Tensor last = ImageReader.Read(Path.Combine(path, "frame_00004.png"));
        Assert.Equal([3, 2 * 4 + Gap, 4 * 5 + 3 * Gap], last.shape);
        for (int i = 0; i < 5; i++)
            Assert.All(Levels(last, i / 4 * (4 + Gap), 4, i % 4 * (5 + Gap), 5), level => Assert.Equal(50 * i + 4, level));
    }

    [Fact]
    public void Clips_of_different_shapes_are_refused()
    {
        using var scope = torch.NewDisposeScope();
        Assert.Contains("[5, 4, 8, 3]", Assert.Throws<ArgumentException>(() => new ContactSheet([Clip(0), Clip(0, width: 8)])).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => new ContactSheet([]));
        Assert.Throws<ArgumentException>(() => new ContactSheet([torch.zeros(5, 4, 6, 3)]));
    }

    // Five frames, each of one level: first, first + 1, …
    private static torch.Tensor Clip(int first, int width = 6) =>
        torch.arange(first, first + 5, torch.uint8).view(5, 1, 1, 1).expand(5, 4, width, 3).contiguous();

    private static byte[] Levels(torch.Tensor sheet, int top, int height, int left, int width) =>
        sheet.narrow(1, top, height).narrow(2, left, width).contiguous().bytes.ToArray();
}
