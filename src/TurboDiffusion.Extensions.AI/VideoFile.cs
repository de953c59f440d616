using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Writes videos that a generator returned as bytes.</summary>
internal static class VideoFile
{
    /// <summary>Writes a video under a new name; nobody sees half a file, and nothing is overwritten.</summary>
    /// <param name="video">The video.</param>
    /// <param name="folder">Where to write; <see langword="null"/> takes <c>turbodiffusion-videos</c> among the temporary files.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <returns>The file's full path.</returns>
    public static async Task<string> SaveAsync(DataContent video, string? folder, CancellationToken cancellationToken)
    {
        folder = Path.GetFullPath(folder ?? Path.Combine(Path.GetTempPath(), "turbodiffusion-videos"));
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, $"{Guid.NewGuid():N}.{video.MediaType.Split('/', ';')[1]}");
        await File.WriteAllBytesAsync(path + ".part", video.Data, cancellationToken).ConfigureAwait(false);
        File.Move(path + ".part", path);
        return path;
    }
}
