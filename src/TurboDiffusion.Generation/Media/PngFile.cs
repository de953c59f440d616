using System.Buffers;
using System.Runtime.InteropServices;
using SkiaSharp;
using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Media;

/// <summary>PNG files.</summary>
internal static class PngFile
{
    /// <summary>Writes a picture, whole or not at all.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="picture"><c>[H, W, 3]</c>, uint8, RGB.</param>
    /// <exception cref="EnvironmentException">The file cannot be written.</exception>
    public static void Write(string path, torch.Tensor picture)
    {
        using SKData png = Encode(picture);
        AtomicFile.Write(path, png.SaveTo);
    }

    /// <summary>A picture as a PNG file.</summary>
    /// <param name="picture"><c>[H, W, 3]</c>, uint8, RGB.</param>
    /// <returns>The file's bytes; the caller disposes them.</returns>
    /// <exception cref="EnvironmentException">The picture cannot be encoded.</exception>
    public static SKData Encode(torch.Tensor picture)
    {
        using var scope = torch.NewDisposeScope();
        (int height, int width) = ((int)picture.size(0), (int)picture.size(1));
        torch.Tensor opaque = torch.full([height, width, 1], 255, torch.uint8), rgba = torch.cat([picture.cpu(), opaque], dim: 2);
        var info = new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using SKImage? image = SKImage.FromPixelCopy(info, MemoryMarshal.AsBytes(rgba.bytes));
        return image?.Encode(SKEncodedImageFormat.Png, 100)
            ?? throw NoRoom(width, height);
    }

    /// <summary>A frame as a PNG file, quickly: one filter, the fastest compression. The same pixels in a larger file.</summary>
    /// <param name="rgb">Its bytes, row by row.</param>
    /// <param name="width">Pixels per row.</param>
    /// <param name="height">Rows.</param>
    /// <returns>The file's bytes; the caller disposes them.</returns>
    /// <exception cref="EnvironmentException">The frame cannot be encoded.</exception>
    public static SKData EncodeFast(ReadOnlySpan<byte> rgb, int width, int height)
    {
        var info = new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        byte[] rgba = ArrayPool<byte>.Shared.Rent(info.BytesSize);
        try
        {
            for (int from = 0, to = 0; to < info.BytesSize; from += 3, to += 4)
            {
                rgb.Slice(from, 3).CopyTo(rgba.AsSpan(to));
                rgba[to + 3] = byte.MaxValue;
            }
            using SKImage? image = SKImage.FromPixelCopy(info, rgba.AsSpan(0, info.BytesSize));
            using SKPixmap? pixels = image?.PeekPixels();
            return pixels?.Encode(new SKPngEncoderOptions(SKPngEncoderFilterFlags.Up, zLibLevel: 1)) ?? throw NoRoom(width, height);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rgba);
        }
    }

    private static EnvironmentException NoRoom(int width, int height) => new("memory",
        $"A picture of {width}×{height} pixels could not be encoded: there is not enough memory for it.");
}
