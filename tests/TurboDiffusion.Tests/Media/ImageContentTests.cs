using System.Diagnostics;
using TorchSharp;
using TurboDiffusion.Generation.Media;
using Xunit;

namespace TurboDiffusion.Tests.Media;

/// <summary>The pixels of images in the kinds that cameras, printers and programs make, not only their sizes.</summary>
public sealed class ImageContentTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // Left half of one colour, right half of another, as ffmpeg makes them: by way of YUV, which costs a few levels.
    [Theory]
    [InlineData("rgb24", "png", 3)]
    [InlineData("rgb48be", "png", 3)]
    [InlineData("rgba", "png", 3)]
    [InlineData("rgba64be", "png", 3)]
    [InlineData("pal8", "png", 3)]
    [InlineData("bgr24", "bmp", 3)]
    [InlineData("yuvj420p", "jpg", 8)]
    [InlineData("yuvj444p", "jpg", 8)]
    public void Colours_survive_every_depth_and_layout(string pixels, string ending, int tolerance)
    {
        string path = _folder.File("image." + ending);
        FFmpegRun("-f", "lavfi", "-i", "color=c=0xC86428:s=32x32:r=10:d=0.1", "-f", "lavfi", "-i", "color=c=0x1450B4:s=32x32:r=10:d=0.1",
            "-filter_complex", "hstack" + (pixels == "pal8" ? ",split[a][b];[a]palettegen[p];[b][p]paletteuse" : ""),
            "-frames:v", "1", "-pix_fmt", pixels, path);
        using torch.Tensor image = ImageReader.Read(path);
        Assert.Equal([3, 32, 64], image.shape);
        AssertColor(image, 8, 16, (200, 100, 40), tolerance);
        AssertColor(image, 56, 16, (20, 80, 180), tolerance);
    }

    [Theory]
    [InlineData("gray", "png")]
    [InlineData("gray16be", "png")]
    [InlineData("ya8", "png")]
    [InlineData("ya16be", "png")]
    [InlineData("monob", "png")]
    public void Greys_become_three_equal_channels(string pixels, string ending)
    {
        string path = _folder.File("image." + ending);
        FFmpegRun("-f", "lavfi", "-i", "color=c=black:s=32x32:r=10:d=0.1", "-f", "lavfi", "-i", "color=c=white:s=32x32:r=10:d=0.1",
            "-filter_complex", "hstack", "-frames:v", "1", "-pix_fmt", pixels, path);
        using torch.Tensor image = ImageReader.Read(path);
        AssertColor(image, 8, 16, (0, 0, 0), 2);
        AssertColor(image, 56, 16, (255, 255, 255), 2);
    }

    [Theory]
    [InlineData("gif", 6)]
    [InlineData("webp", 12)]
    public void Of_an_animation_the_first_picture_is_taken(string ending, int tolerance)
    {
        string path = _folder.File("image." + ending);
        FFmpegRun("-f", "lavfi", "-i", "color=c=0xFF0000:s=32x32:r=5:d=0.4", "-f", "lavfi", "-i", "color=c=0x0000FF:s=32x32:r=5:d=0.4",
            "-filter_complex", "concat", path);
        using torch.Tensor image = ImageReader.Read(path);
        AssertColor(image, 16, 16, (255, 0, 0), tolerance);
    }

    // Half transparent, in eight bits and in sixteen: over white.
    [Theory]
    [InlineData("rgba")]
    [InlineData("rgba64be")]
    public void Transparency_is_laid_over_white_at_every_depth(string pixels)
    {
        string path = _folder.File("image.png");
        FFmpegRun("-f", "lavfi", "-i", "color=c=0xC86400@0.5:s=32x32:r=10:d=0.1,format=rgba", "-frames:v", "1", "-pix_fmt", pixels, path);
        using torch.Tensor image = ImageReader.Read(path);
        AssertColor(image, 16, 16, (227, 177, 127), 2);
    }

    // As printers' programs write it: Adobe's marker, inks counted from 255 for none.
    [Theory]
    [InlineData(255, 255, 255, 255, 255, 255, 255)]
    [InlineData(255, 128, 0, 255, 255, 128, 0)]
    [InlineData(255, 255, 255, 0, 0, 0, 0)]
    [InlineData(200, 100, 40, 128, 100, 50, 20)]
    public void Inks_become_light(int c, int m, int y, int k, int red, int green, int blue)
    {
        using torch.Tensor image = ImageReader.Read(CmykJpeg([c, m, y, k]), "print.jpg");
        Assert.Equal([3, 16, 16], image.shape);
        AssertColor(image, 8, 8, (red, green, blue), 3);
        AssertColor(image, 0, 15, (red, green, blue), 3);
    }

    /// <summary>A baseline JPEG of 16×16 pixels with four components, each of one value (ITU-T T.81, annexes B and F).</summary>
    private static byte[] CmykJpeg(int[] values)
    {
        var bits = new System.Text.StringBuilder();
        for (int block = 0; block < 4; block++)
        {
            foreach (int value in values)
            {
                // The first block's DC is its mean times 8; the others differ from it by 0. Then the end of the block, code 0.
                int dc = block == 0 ? 8 * (value - 128) : 0, size = dc == 0 ? 0 : (int)Math.Log2(Math.Abs(dc)) + 1;
                bits.Append(Convert.ToString(size, 2).PadLeft(4, '0'));
                if (size > 0) bits.Append(Convert.ToString(dc > 0 ? dc : dc + (1 << size) - 1, 2).PadLeft(size, '0'));
                bits.Append('0');
            }
        }
        string padded = bits.ToString().PadRight((bits.Length + 7) / 8 * 8, '1');
        var data = new List<byte>();
        for (int i = 0; i < padded.Length; i += 8)
        {
            byte value = Convert.ToByte(padded.Substring(i, 8), 2);
            data.Add(value);
            if (value == 0xFF) data.Add(0);
        }
        return
        [
            0xFF, 0xD8, 0xFF, 0xEE, 0, 14, .. "Adobe"u8, 0, 100, 0, 0, 0, 0, 0,
            0xFF, 0xDB, 0, 67, 0, .. Enumerable.Repeat((byte)1, 64),
            0xFF, 0xC0, 0, 20, 8, 0, 16, 0, 16, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0,
            // DC: the sizes 0 to 11 in four bits each; AC: the end of the block in one bit.
            0xFF, 0xC4, 0, 31, 0x00, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
            0xFF, 0xC4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0xFF, 0xDA, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0, .. data, 0xFF, 0xD9,
        ];
    }

    private static void FFmpegRun(params string[] arguments)
    {
        using Process process = Process.Start("ffmpeg", ["-v", "error", "-y", .. arguments]);
        bool ended = process.WaitForExit(TimeSpan.FromSeconds(30));
        if (!ended) process.Kill();
        Assert.True(ended, "ffmpeg did not end");
        Assert.Equal(0, process.ExitCode);
    }

    private static void AssertColor(torch.Tensor image, int x, int y, (int R, int G, int B) expected, int tolerance)
    {
        int[] found = [.. Enumerable.Range(0, 3).Select(c => image[c, y, x].ToInt32())];
        Assert.True(found.Zip([expected.R, expected.G, expected.B]).All(p => Math.Abs(p.First - p.Second) <= tolerance),
            $"found ({string.Join(", ", found)}), expected {expected}");
    }
}
