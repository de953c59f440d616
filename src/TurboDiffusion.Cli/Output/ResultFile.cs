using TurboDiffusion.Runtime;

namespace TurboDiffusion.Cli.Output;

/// <summary>A file of results: written aside and then renamed, so that it is never half written.</summary>
internal static class ResultFile
{
    /// <summary>Refuses a path that cannot be written, before the work begins.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidRequestException">It is a folder, or its folder cannot be written.</exception>
    public static void Check(string path)
    {
        string? problem = path.Length == 0 || path.Contains('\0') ? "it is no name of a file"
            : Directory.Exists(path) ? "it is a folder"
            : OutputFolder.Problem(Path.GetDirectoryName(Path.GetFullPath(path))!, Path.GetFileName(path));
        if (problem is not null) throw new InvalidRequestException("output", $"{path} cannot be written: {problem}.");
    }

    /// <summary>Writes the file, or replaces it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="text">All of it.</param>
    /// <exception cref="EnvironmentException">It cannot be written.</exception>
    public static void Write(string path, string text) => AtomicFile.WriteText(path, text);
}
