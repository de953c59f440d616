using SkiaSharp;

namespace TurboDiffusion.Tests.Media;

/// <summary>Images made on the spot.</summary>
internal static class TestImages
{
    /// <summary>A width×height image of <paramref name="background"/> with squares of an eighth of the width in corners.</summary>
    public static SKBitmap Corners(int width, int height, SKColor background, SKColor topLeft, SKColor topRight)
    {
        var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        bitmap.Erase(background);
        int side = width / 4;
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++)
            {
                bitmap.SetPixel(x, y, topLeft);
                bitmap.SetPixel(width - 1 - x, y, topRight);
            }
        return bitmap;
    }

    public static byte[] Encode(SKBitmap bitmap, SKEncodedImageFormat format)
    {
        using SKData data = bitmap.Encode(format, 95);
        return data.ToArray();
    }

    /// <summary>A JPEG with an EXIF segment that holds nothing but the orientation.</summary>
    public static byte[] WithOrientation(byte[] jpeg, int orientation)
    {
        byte[] exif =
        [
            0xFF, 0xE1, 0, 34, .. "Exif\0\0"u8,
            .. "MM"u8, 0, 42, 0, 0, 0, 8,
            0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte)orientation, 0, 0,
            0, 0, 0, 0,
        ];
        return [.. jpeg.AsSpan(0, 2), .. exif, .. jpeg.AsSpan(2)];
    }
}
