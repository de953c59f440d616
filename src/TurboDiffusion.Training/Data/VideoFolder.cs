using TurboDiffusion.Generation.Media;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Training.Data;

/// <summary>
/// Videos in a folder and the folders within, each with its caption in a text file beside it: <c>clip.mp4</c>, <c>clip.txt</c>.
/// </summary>
public sealed class VideoFolder
{
    private static IReadOnlyList<string> Endings => VideoReader.Endings;

    /// <summary>Lists a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="InvalidRequestException">It does not exist, holds no videos, or two of the same name.</exception>
    public VideoFolder(string folder)
    {
        if (!Directory.Exists(folder))
            throw new InvalidRequestException("videos", $"There is no folder {folder}; give the folder of the videos.");
        Videos = [.. InputFolder.Files(folder, Endings, recursive: true)
            .Select(f => new VideoFile(f, Name(Path.GetRelativePath(folder, f)))).OrderBy(v => v.Name, StringComparer.Ordinal)];
        if (Videos.Count == 0) throw new InvalidRequestException("videos", $"{folder} holds no videos ({string.Join(", ", Endings)}).");
        if (Videos.GroupBy(v => v.Name, StringComparer.OrdinalIgnoreCase).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new InvalidRequestException("videos", $"{twice.First().Path} and {twice.Last().Path} have one name; rename one of them.");
    }

    /// <summary>The videos in the order of their names.</summary>
    public IReadOnlyList<VideoFile> Videos { get; }

    /// <summary>Checks that every video has a caption.</summary>
    /// <exception cref="InvalidRequestException">One has none.</exception>
    public void CheckCaptions()
    {
        foreach (VideoFile video in Videos) video.ReadCaption();
    }

    // From a path within the folder to a file name.
    private static string Name(string path) => Path.ChangeExtension(path, null).Replace(Path.DirectorySeparatorChar, '_');
}
