using Microsoft.Extensions.AI;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Writes videos that a generator returned as bytes.</summary>
internal static class VideoFile
{
    /// <summary>Writes a video under a new name; nobody sees half a file, and nothing is overwritten.</summary>
    /// <param name="video">The video.</param>
    /// <param name="folder">Where to write; <see langword="null"/> takes <c>turbodiffusion-videos</c> among the temporary files.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <returns>The file's full path.</returns>
    /// <exception cref="EnvironmentException">It cannot be written.</exception>
    public static Task<string> SaveAsync(DataContent video, string? folder, CancellationToken cancellationToken)
    {
        folder = Path.GetFullPath(folder ?? Path.Combine(Path.GetTempPath(), "turbodiffusion-videos"));
        var path = Path.Combine(folder, $"{Guid.NewGuid():N}.{video.MediaType.Split('/', ';')[1]}");
        return Task.Run(
            () =>
            {
                AtomicFile.Write(path, file => file.Write(video.Data.Span));
                return path;
            },
            cancellationToken);
    }
}
