using SkiaSharp;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>The previews of a video, made small, and the pictures that are put together from them.</summary>
internal sealed class PreviewPictures
{
    /// <summary>As wide as a page shows them, in pixels.</summary>
    public const int MaxWidth = 320;

    private const int Columns = 4;
    private const int Quality = 80;

    private readonly List<byte[]> _pictures = [];

    /// <summary>Whether there is none.</summary>
    public bool IsEmpty => _pictures.Count == 0;

    /// <summary>Takes a preview in.</summary>
    /// <param name="encoded">An image file.</param>
    /// <returns>It as a small WebP; <see langword="null"/> where it is not an image.</returns>
    public ReadOnlyMemory<byte>? Add(ReadOnlyMemory<byte> encoded)
    {
        if (Small(encoded) is not { } small)
            return null;

        _pictures.Add(small);
        return small;
    }

    /// <summary>Makes a picture small: one that is to be shown, but is no frame of the video.</summary>
    /// <param name="encoded">An image file.</param>
    /// <returns>It as a small WebP; <see langword="null"/> where it is not an image.</returns>
    public static byte[]? Small(ReadOnlyMemory<byte> encoded)
    {
        using var data = SKData.CreateCopy(encoded.Span);
        using var image = SKImage.FromEncodedData(data);
        if (image is null)
            return null;

        var width = Math.Min(MaxWidth, image.Width);
        return Encode(width, Math.Max(1, width * image.Height / image.Width), canvas =>
        {
            using var paint = new SKPaint { FilterQuality = SKFilterQuality.Medium };
            canvas.DrawImage(image, canvas.LocalClipBounds, paint);
        });
    }

    /// <summary>The middle one.</summary>
    public byte[] Thumbnail() => _pictures[_pictures.Count / 2];

    /// <summary>All of them in rows of four, in order.</summary>
    public byte[] Spritesheet()
    {
        List<SKImage> images = [.. _pictures.Select(SKImage.FromEncodedData)];
        try
        {
            var (width, height) = (images[0].Width, images[0].Height);
            var columns = Math.Min(Columns, images.Count);
            return Encode(columns * width, (images.Count + columns - 1) / columns * height, canvas =>
            {
                for (var i = 0; i < images.Count; i++)
                    canvas.DrawImage(images[i], i % columns * width, i / columns * height);
            });
        }
        finally
        {
            images.ForEach(image => image.Dispose());
        }
    }

    private static byte[] Encode(int width, int height, Action<SKCanvas> draw)
    {
        using var surface = SKSurface.Create(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        draw(surface.Canvas);
        using var picture = surface.Snapshot();
        using var data = picture.Encode(SKEncodedImageFormat.Webp, Quality);
        return data.ToArray();
    }
}
