using SkiaSharp;
using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Media;

/// <summary>
/// Reads JPEG, PNG, WebP, GIF (first frame) and BMP images. The EXIF orientation is applied; transparent images are laid
/// over white; colour profiles are ignored, as the official script ignores them.
/// </summary>
public static class ImageReader
{
    private static readonly SKEncodedImageFormat[] Formats =
        [SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Png, SKEncodedImageFormat.Webp, SKEncodedImageFormat.Gif,
            SKEncodedImageFormat.Bmp];

    /// <summary>Reads an image file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">Largest image accepted; <see cref="ImageLimits.Default"/> where null.</param>
    /// <returns><c>[3, H, W]</c>, uint8, RGB, on the CPU; the caller owns it.</returns>
    /// <exception cref="InvalidRequestException">The file is missing, unreadable, too large, or not an image.</exception>
    public static torch.Tensor Read(string path, ImageLimits? limits = null) =>
        Read(ReadBytes(path, limits), path, limits);

    /// <summary>Reads an encoded image from memory.</summary>
    /// <param name="encoded">The bytes of a JPEG, PNG, WebP, GIF or BMP file.</param>
    /// <param name="name">What to call the image in errors.</param>
    /// <param name="limits">Largest image accepted; <see cref="ImageLimits.Default"/> where null.</param>
    /// <returns><c>[3, H, W]</c>, uint8, RGB, on the CPU; the caller owns it.</returns>
    /// <exception cref="InvalidRequestException">The bytes are not an image, or one that is too large.</exception>
    public static torch.Tensor Read(ReadOnlyMemory<byte> encoded, string name, ImageLimits? limits = null)
    {
        using SKCodec codec = Open(encoded, name, limits ?? ImageLimits.Default);
        // Premultiplied: laying the image over white is then adding (255 − alpha) to every channel.
        var info = new SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Premul);
        using var bitmap = new SKBitmap();
        if (!bitmap.TryAllocPixels(info))
            throw Bad(name, $"is {info.Width}×{info.Height} pixels, for which there is not enough memory");
        SKCodecResult result = codec.GetPixels(info, bitmap.GetPixels());
        if (result != SKCodecResult.Success)
            throw Bad(name, $"is damaged ({result}); open it in an image program and save it again");

        using var scope = torch.NewDisposeScope();
        torch.Tensor rgba = torch.empty([info.Height, info.Width, 4], torch.uint8);
        // Not GetPixelSpan, which SkiaSharp 3 declares otherwise: this assembly runs with both.
        bitmap.Bytes.CopyTo(rgba.bytes);
        torch.Tensor white = 255 - rgba.narrow(2, 3, 1);
        torch.Tensor image = (rgba.narrow(2, 0, 3) + white).permute(2, 0, 1);
        return Orient(image, codec.EncodedOrigin).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>The size of an image file as it will be read, found from its header alone.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">Largest image accepted; <see cref="ImageLimits.Default"/> where null.</param>
    /// <exception cref="InvalidRequestException">The file is missing, unreadable, too large, or not an image.</exception>
    public static (int Width, int Height) ReadSize(string path, ImageLimits? limits = null)
    {
        using SKCodec codec = Open(ReadBytes(path, limits), path, limits ?? ImageLimits.Default);
        return IsTransposed(codec.EncodedOrigin) ? (codec.Info.Height, codec.Info.Width) : (codec.Info.Width, codec.Info.Height);
    }

    /// <summary>Reads an image file as it is, encoded.</summary>
    /// <param name="path">A regular file.</param>
    /// <param name="limits">Largest file accepted; <see cref="ImageLimits.Default"/> where null.</param>
    /// <exception cref="InvalidRequestException">The file is missing, unreadable, too large, or no regular file.</exception>
    public static byte[] ReadBytes(string path, ImageLimits? limits = null)
    {
        try
        {
            return InputFile.ReadBytes(path, (limits ?? ImageLimits.Default).MaxBytes);
        }
        catch (FileNotFoundException e)
        {
            throw Bad(path, "does not exist; check the path", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Bad(path, $"cannot be read: {e.Message}", e);
        }
    }

    private static SKCodec Open(ReadOnlyMemory<byte> encoded, string name, ImageLimits limits)
    {
        if (encoded.IsEmpty) throw Bad(name, "is empty");
        if (encoded.Length > limits.MaxBytes)
            throw Bad(name, $"is {encoded.Length >> 20} MiB; the limit is {limits.MaxBytes >> 20} MiB");
        using SKData data = SKData.CreateCopy(encoded.Span);
        SKCodec codec = SKCodec.Create(data)
            ?? throw Bad(name, "is not an image that can be read; give a JPEG, PNG, WebP, GIF or BMP file");
        try
        {
            (int width, int height) = (codec.Info.Width, codec.Info.Height);
            if (!Formats.Contains(codec.EncodedFormat))
                throw Bad(name, $"is a {codec.EncodedFormat} image; give a JPEG, PNG, WebP, GIF or BMP file");
            if (width < 1 || height < 1 || width > limits.MaxSide || height > limits.MaxSide || (long)width * height > limits.MaxPixels)
                throw Bad(name, $"is {width}×{height} pixels; the limit is {limits.MaxSide} on a side and {limits.MaxPixels / 1_000_000} "
                    + "million in all");
            return codec;
        }
        catch
        {
            codec.Dispose();
            throw;
        }
    }

    private static bool IsTransposed(SKEncodedOrigin origin) => origin >= SKEncodedOrigin.LeftTop;

    /// <summary>Turns stored pixels <c>[3, H, W]</c> upright. The origin names where the stored first row and column are.</summary>
    private static torch.Tensor Orient(torch.Tensor image, SKEncodedOrigin origin)
    {
        if (IsTransposed(origin)) image = image.transpose(1, 2);
        return origin switch
        {
            SKEncodedOrigin.TopRight or SKEncodedOrigin.RightTop => image.flip(2),
            SKEncodedOrigin.BottomLeft or SKEncodedOrigin.LeftBottom => image.flip(1),
            SKEncodedOrigin.BottomRight or SKEncodedOrigin.RightBottom => image.flip(1, 2),
            _ => image,
        };
    }

    private static InvalidRequestException Bad(string name, string reason, Exception? cause = null) =>
        new("image", $"The image '{name}' {reason}.", cause);
}
