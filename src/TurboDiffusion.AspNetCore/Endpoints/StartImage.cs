using SkiaSharp;
using TurboDiffusion.AspNetCore.Files;

namespace TurboDiffusion.AspNetCore.Endpoints;

/// <summary>An image that a client sent, looked at without decoding it.</summary>
/// <param name="Name">What it is called among the job's files.</param>
/// <param name="Bytes">The file.</param>
internal sealed record StartImage(string Name, ReadOnlyMemory<byte> Bytes)
{
    public const string Field = "input_reference";

    /// <summary>Checks an image by its own header; what the client says of its type does not count.</summary>
    /// <exception cref="ApiException">It is no image that is accepted.</exception>
    public static StartImage Of(ReadOnlyMemory<byte> bytes, VideoServiceOptions limits)
    {
        if (bytes.IsEmpty)
            throw ApiException.Invalid(Field, "The image is empty.");
        if (bytes.Length > limits.MaxImageBytes)
            throw ApiException.Invalid(Field, $"The image has {bytes.Length} bytes; at most {limits.MaxImageBytes} are accepted.");

        using var data = SKData.CreateCopy(bytes.Span);
        using var codec = SKCodec.Create(data);
        var mediaType = codec?.EncodedFormat switch
        {
            SKEncodedImageFormat.Jpeg => "image/jpeg",
            SKEncodedImageFormat.Png => "image/png",
            SKEncodedImageFormat.Webp => "image/webp",
            _ => throw ApiException.Invalid(Field, "The image is not one that can be read; send a JPEG, PNG or WebP file."),
        };
        var (width, height) = (codec!.Info.Width, codec.Info.Height);
        return (long)width * height <= limits.MaxImagePixels ? new StartImage(VideoFileNames.StartImage(mediaType), bytes)
            : throw ApiException.Invalid(Field, $"The image is {width}x{height}; at most {limits.MaxImagePixels} pixels are accepted.");
    }
}
