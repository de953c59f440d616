using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Media;

/// <summary>A place that a video can be written to.</summary>
public sealed record VideoTarget
{
    private VideoTarget(string path, VideoContainer container) => (Path, Container) = (path, container);

    /// <summary>The file, or the folder of PNG frames, as a full path without a separator at its end.</summary>
    public string Path { get; }

    /// <summary>What is written there.</summary>
    public VideoContainer Container { get; }

    /// <summary>The folder that it is in.</summary>
    public string Folder => System.IO.Path.GetDirectoryName(Path)!;

    /// <summary>Checks that a video can be written to a path, before any work is done for it.</summary>
    /// <param name="path">
    /// A file name that ends in .mp4, .webm or .gif; or, for PNG frames, an existing folder or a path that ends in a separator.
    /// </param>
    /// <param name="overwrite">Whether a video that is there already may be replaced.</param>
    /// <exception cref="InvalidRequestException">
    /// The extension is unknown, the folder cannot be made or written, or there is a file already.
    /// </exception>
    public static VideoTarget Check(string path, bool overwrite = false)
    {
        if (string.IsNullOrWhiteSpace(path)) throw Bad(path, "is empty; give a file name such as video.mp4");
        string full;
        try
        {
            full = System.IO.Path.GetFullPath(path);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException or IOException)
        {
            throw Bad(path, $"is not a path: {e.Message}", e);
        }
        VideoContainer container = ContainerOf(path, full);
        var target = new VideoTarget(System.IO.Path.TrimEndingDirectorySeparator(full), container);
        if (target.Folder is null) throw Bad(path, "is the root of the file system; give a file name such as video.mp4");
        if (OutputFolder.Problem(target.Folder, System.IO.Path.GetFileName(target.Path)) is { } problem)
            throw Bad(path, $"cannot be written: {problem}");
        if (container == VideoContainer.PngFrames) CheckFramesFolder(path, target.Path, overwrite);
        else if (File.Exists(target.Path) && !overwrite)
            throw Bad(path, "exists already; choose another name, or ask for it to be overwritten");
        return target;
    }

    private static VideoContainer ContainerOf(string path, string full)
    {
        if (System.IO.Path.EndsInDirectorySeparator(path) || Directory.Exists(full)) return VideoContainer.PngFrames;
        return System.IO.Path.GetExtension(full).ToLowerInvariant() switch
        {
            ".mp4" => VideoContainer.Mp4,
            ".webm" => VideoContainer.WebM,
            ".gif" => VideoContainer.Gif,
            _ => throw Bad(path,
                "has no extension that names a video format; use .mp4, .webm or .gif, or end the path in / for a folder of PNG frames"),
        };
    }

    /// <summary>Begins to write it, in a folder aside. Folders that are missing are made.</summary>
    /// <exception cref="EnvironmentException">It cannot be begun.</exception>
    internal PartialOutput Begin()
    {
        try
        {
            return PartialOutput.OfFolder(Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw NotWritten(Path, e);
        }
    }

    /// <summary>The error of a disk that does not take a video.</summary>
    internal static EnvironmentException NotWritten(string path, Exception cause) =>
        new("disk", $"The video could not be written to {path}: {cause.Message.TrimEnd('.')}. Free some room, or choose another place.",
            cause);

    private static void CheckFramesFolder(string path, string folder, bool overwrite)
    {
        if (File.Exists(folder)) throw Bad(path, "is a file; PNG frames need a folder");
        if (!Directory.Exists(folder)) return;
        string[] entries = [.. Directory.EnumerateFileSystemEntries(folder).Select(e => System.IO.Path.GetFileName(e)!)];
        if (entries.FirstOrDefault(e => !PngFolderSink.IsOwnFile(e)) is { } other)
            throw Bad(path, $"holds other files, such as {other}; choose a folder for the frames alone");
        if (entries.Length > 0 && !overwrite)
            throw Bad(path, "holds frames already; choose another folder, or ask for it to be overwritten");
    }

    private static InvalidRequestException Bad(string path, string reason, Exception? cause = null) =>
        new("output", $"The output '{path}' {reason}.", cause);
}
