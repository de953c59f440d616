using SkiaSharp;
using TurboDiffusion.AspNetCore.Files;

namespace TurboDiffusion.AspNetCore.Endpoints;

/// <summary>An image that a client sent, looked at without decoding it.</summary>
/// <param name="Name">What it is called among the job's files.</param>
/// <param name="Bytes">The file.</param>
internal sealed record UploadedImage(string Name, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>The field of the image to start from, by OpenAI's name.</summary>
    public const string StartField = "input_reference";

    /// <summary>The field of the image to end with, our own.</summary>
    public const string EndField = "end_image";

    /// <summary>The fields that hold images.</summary>
    public static IReadOnlyList<string> Fields { get; } = [StartField, EndField];

    /// <summary>Checks an image by its own header; what the client says of its type does not count.</summary>
    /// <param name="field">One of <see cref="Fields"/>.</param>
    /// <param name="bytes">What was sent.</param>
    /// <param name="limits">The largest image.</param>
    /// <exception cref="ApiException">It is no image that is accepted.</exception>
    public static UploadedImage Of(string field, ReadOnlyMemory<byte> bytes, VideoServiceOptions limits)
    {
        if (bytes.IsEmpty)
            throw ApiException.Invalid(field, "The image is empty.");
        if (bytes.Length > limits.MaxImageBytes)
            throw ApiException.Invalid(field, $"The image has {bytes.Length} bytes; at most {limits.MaxImageBytes} are accepted.");

        using var data = SKData.CreateCopy(bytes.Span);
        using var codec = SKCodec.Create(data);
        var mediaType = codec?.EncodedFormat switch
        {
            SKEncodedImageFormat.Jpeg => "image/jpeg",
            SKEncodedImageFormat.Png => "image/png",
            SKEncodedImageFormat.Webp => "image/webp",
            _ => throw ApiException.Invalid(field, "The image is not one that can be read; send a JPEG, PNG or WebP file."),
        };
        var (width, height) = (codec!.Info.Width, codec.Info.Height);
        var name = field == StartField ? VideoFileNames.StartImage(mediaType, bytes.Span)
            : VideoFileNames.EndImage(mediaType, bytes.Span);
        return (long)width * height <= limits.MaxImagePixels ? new UploadedImage(name, bytes)
            : throw ApiException.Invalid(field, $"The image is {width}x{height}; at most {limits.MaxImagePixels} pixels are accepted.");
    }
}
