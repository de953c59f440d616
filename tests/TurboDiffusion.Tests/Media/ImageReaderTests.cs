using System.Buffers.Binary;
using CsCheck;
using SkiaSharp;
using TorchSharp;
using TurboDiffusion.Generation.Media;
using Xunit;

namespace TurboDiffusion.Tests.Media;

public sealed class ImageReaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(SKEncodedImageFormat.Png, 0)]
    [InlineData(SKEncodedImageFormat.Jpeg, 12)]
    [InlineData(SKEncodedImageFormat.Webp, 16)]
    public void Images_are_read_in_every_format(SKEncodedImageFormat format, int tolerance)
    {
        using SKBitmap bitmap = TestImages.Corners(32, 16, new SKColor(40, 80, 120), SKColors.Red, SKColors.Lime);
        string path = _folder.File("image");
        File.WriteAllBytes(path, TestImages.Encode(bitmap, format));
        using torch.Tensor image = ImageReader.Read(path);
        Assert.Equal([3, 16, 32], image.shape);
        Assert.Equal((32, 16), ImageReader.ReadSize(path));
        AssertColor(image, 15, 10, (40, 80, 120), tolerance);
        AssertColor(image, 3, 3, (255, 0, 0), tolerance);
        AssertColor(image, 28, 3, (0, 255, 0), tolerance);
    }

    [Theory]
    // The EXIF definition: where the first row, and then the first column, of the stored pixels are to be shown.
    [InlineData(1, "top-left", "top-right")]
    [InlineData(2, "top-right", "top-left")]
    [InlineData(3, "bottom-right", "bottom-left")]
    [InlineData(4, "bottom-left", "bottom-right")]
    [InlineData(5, "top-left", "bottom-left")]
    [InlineData(6, "top-right", "bottom-right")]
    [InlineData(7, "bottom-right", "top-right")]
    [InlineData(8, "bottom-left", "top-left")]
    public void The_orientation_is_applied(int orientation, string redCorner, string greenCorner)
    {
        using SKBitmap bitmap = TestImages.Corners(64, 32, SKColors.White, SKColors.Red, SKColors.Lime);
        string path = _folder.File("photo.jpg");
        File.WriteAllBytes(path, TestImages.WithOrientation(TestImages.Encode(bitmap, SKEncodedImageFormat.Jpeg), orientation));
        using torch.Tensor image = ImageReader.Read(path);
        (int width, int height) = orientation <= 4 ? (64, 32) : (32, 64);
        Assert.Equal([3, height, width], image.shape);
        Assert.Equal((width, height), ImageReader.ReadSize(path));
        AssertColor(image, At(redCorner).X, At(redCorner).Y, (255, 0, 0), 12);
        AssertColor(image, At(greenCorner).X, At(greenCorner).Y, (0, 255, 0), 12);

        (int X, int Y) At(string corner) => (corner.EndsWith("left", StringComparison.Ordinal)
            ? 4 : width - 5, corner.StartsWith("top", StringComparison.Ordinal) ? 4 : height - 5);
    }

    [Fact]
    public void Transparent_images_are_laid_over_white()
    {
        using SKBitmap bitmap = TestImages.Corners(16, 16, SKColors.Transparent, new SKColor(200, 100, 0, 128), SKColors.Blue);
        using torch.Tensor image = ImageReader.Read(TestImages.Encode(bitmap, SKEncodedImageFormat.Png), "image");
        AssertColor(image, 8, 12, (255, 255, 255), 0);
        AssertColor(image, 14, 1, (0, 0, 255), 0);
        AssertColor(image, 1, 1, (227, 177, 127), 1);
    }

    [Fact]
    public void A_missing_file_a_folder_and_an_empty_file_are_refused()
    {
        string empty = _folder.File("empty.png");
        File.WriteAllBytes(empty, []);
        Assert.Contains("does not exist", Refusal(_folder.File("nothing.png")));
        Assert.Contains("is a folder", Refusal(_folder.Path));
        Assert.Contains("is empty", Refusal(empty));
    }

    [Fact]
    public void A_file_that_is_no_image_is_refused()
    {
        string path = _folder.File("notes.png");
        File.WriteAllText(path, "these are notes, and a name that lies");
        Assert.Contains("not an image", Refusal(path));
    }

    [Theory]
    [InlineData(SKEncodedImageFormat.Png)]
    [InlineData(SKEncodedImageFormat.Jpeg)]
    [InlineData(SKEncodedImageFormat.Webp)]
    public void A_truncated_image_is_refused(SKEncodedImageFormat format)
    {
        using SKBitmap bitmap = TestImages.Corners(256, 256, SKColors.Gray, SKColors.Red, SKColors.Lime);
        byte[] encoded = TestImages.Encode(bitmap, format);
        Assert.Throws<InvalidRequestException>(() => ImageReader.Read(encoded.AsMemory(0, encoded.Length / 2), "cut"));
    }

    [Fact]
    public void A_header_that_claims_a_huge_picture_is_refused_before_anything_is_decoded()
    {
        using SKBitmap bitmap = TestImages.Corners(16, 16, SKColors.Gray, SKColors.Red, SKColors.Lime);
        byte[] png = TestImages.Encode(bitmap, SKEncodedImageFormat.Png);
        // Width and height of the IHDR chunk, and its checksum.
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(16), 16_000);
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(20), 16_000);
        BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(29), Crc32(png.AsSpan(12, 17)));
        Assert.Contains("64 million", Assert.Throws<InvalidRequestException>(() => ImageReader.Read(png, "bomb")).Message);
    }

    [Fact]
    public void A_file_over_the_limit_is_refused_before_it_is_read()
    {
        string path = _folder.File("large.png");
        using (FileStream file = File.Create(path)) file.SetLength(1L << 40);
        Assert.Contains("at most 67108864", Refusal(path));
    }

    [Fact]
    public void Damaged_images_give_no_other_error()
    {
        using SKBitmap bitmap = TestImages.Corners(24, 24, SKColors.Gray, SKColors.Red, SKColors.Lime);
        byte[][] images = [.. new[] { SKEncodedImageFormat.Png, SKEncodedImageFormat.Jpeg,
            SKEncodedImageFormat.Webp }.Select(f => TestImages.Encode(bitmap, f))];
        Gen.Select(Gen.Int[0, images.Length - 1], Gen.Select(Gen.Int[0, 4000], Gen.Byte).Array[1, 8]).Sample((which, changes) =>
        {
            byte[] damaged = [.. images[which]];
            foreach ((int at, byte value) in changes) damaged[at % damaged.Length] = value;
            try
            {
                ImageReader.Read(damaged, "damaged", new ImageLimits(MaxPixels: 1 << 20)).Dispose();
            }
            catch (InvalidRequestException)
            {
            }
        }, iter: 300, threads: 1);
    }

    private static string Refusal(string path)
    {
        InvalidRequestException error = Assert.Throws<InvalidRequestException>(() => ImageReader.Read(path));
        Assert.Equal("image", error.Parameter);
        Assert.Contains(path, error.Message);
        Assert.Throws<InvalidRequestException>(() => ImageReader.ReadSize(path));
        return error.Message;
    }

    private static void AssertColor(torch.Tensor image, int x, int y, (int R, int G, int B) expected, int tolerance)
    {
        int[] actual = [.. Enumerable.Range(0, 3).Select(c => (int)image[c, y, x].item<byte>())];
        int[] wanted = [expected.R, expected.G, expected.B];
        Assert.True(actual.Zip(wanted).All(p => Math.Abs(p.First - p.Second) <= tolerance),
            $"pixel ({x}, {y}): expected {string.Join(", ", wanted)} within {tolerance}, got {string.Join(", ", actual)}");
    }

    private static uint Crc32(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int i = 0; i < 8; i++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
        }
        return ~crc;
    }
}
