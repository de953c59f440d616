using Microsoft.Extensions.AI;
using TurboDiffusion.Generation.Media;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Reads image files that a model or a table of data names.</summary>
internal static class ImageFile
{
    /// <summary>Reads one, encoded as it is.</summary>
    /// <param name="path">A regular file, as large as <see cref="ImageLimits.Default"/> allows.</param>
    /// <returns>The bytes, with the media type that the name's extension says.</returns>
    /// <exception cref="InvalidRequestException">It cannot be read, or is too large.</exception>
    public static DataContent Read(string path) => new(ImageReader.ReadBytes(path), LocalFile.ImageType(path));
}
