namespace TurboDiffusion.Runtime;

/// <summary>Folders that something is to be written into. Those that are missing are made when the writing begins.</summary>
public static class OutputFolder
{
    /// <summary>The nearest folder that exists: the one itself, or one above it.</summary>
    /// <param name="folder">A folder, whether or not it exists.</param>
    public static string Nearest(string folder)
    {
        string at = Path.GetFullPath(folder);
        while (!Path.Exists(at) && Path.GetDirectoryName(at) is { } above) at = above;
        return at;
    }

    /// <summary>
    /// Removes what writers that were killed left in a folder. Whoever writes a file into it does so anyway; this is for folders that
    /// nobody may write into again.
    /// </summary>
    /// <param name="folder">A folder; where it is missing, nothing is done.</param>
    public static void Sweep(string folder) => PartialOutput.Sweep(folder);

    /// <summary>Why a folder cannot be written into, found by writing into it or the nearest one above; null where it can.</summary>
    /// <param name="folder">A folder, whether or not it exists.</param>
    /// <param name="name">The name that is wanted in it; null where none is known yet.</param>
    public static string? Problem(string folder, string? name = null)
    {
        try
        {
            RequireNameable(name is null ? folder : Path.Combine(folder, name));
            string nearest = Nearest(folder);
            if (!Directory.Exists(nearest)) return $"{nearest} is not a folder";
            PartialOutput.Sweep(nearest);
            using FileStream probe = new(Path.Combine(nearest, PartialOutput.NewName()), new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                Options = FileOptions.DeleteOnClose,
            });
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return e.Message.TrimEnd('.');
        }
    }

    // What is too long for the file system is told by asking for it.
    private static void RequireNameable(string path)
    {
        try
        {
            File.GetAttributes(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
        }
    }
}
