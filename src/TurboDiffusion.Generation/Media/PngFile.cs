using System.Runtime.InteropServices;
using SkiaSharp;
using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>PNG files.</summary>
internal static class PngFile
{
    /// <summary>Writes a picture.</summary>
    /// <param name="path">The file.</param>
    /// <param name="picture"><c>[H, W, 3]</c>, uint8, RGB.</param>
    /// <exception cref="EnvironmentException">The file cannot be written.</exception>
    public static void Write(string path, torch.Tensor picture)
    {
        using var scope = torch.NewDisposeScope();
        (int height, int width) = ((int)picture.shape[0], (int)picture.shape[1]);
        torch.Tensor opaque = torch.full([height, width, 1], 255, torch.uint8), rgba = torch.cat([picture.cpu(), opaque], dim: 2);
        var info = new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using SKImage image = SKImage.FromPixelCopy(info, MemoryMarshal.AsBytes(rgba.bytes));
        using SKData png = image.Encode(SKEncodedImageFormat.Png, 100);
        try
        {
            using FileStream file = File.Create(path);
            png.SaveTo(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("output", $"The picture could not be written to {path}: {e.Message}", e);
        }
    }
}
