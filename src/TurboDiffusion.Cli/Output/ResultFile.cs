using TurboDiffusion.Runtime;

namespace TurboDiffusion.Cli.Output;

/// <summary>A file of results: written aside and then renamed, so that it is never half written.</summary>
internal static class ResultFile
{
    /// <summary>Refuses a path that cannot be written, before the work begins.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidRequestException">It is a folder, or its folder does not exist.</exception>
    public static void Check(string path)
    {
        if (Directory.Exists(path) || !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))))
            throw new InvalidRequestException("output", $"{path} cannot be written: it is a folder, or its folder does not exist.");
    }

    /// <summary>Writes the file, or replaces it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="text">All of it.</param>
    /// <exception cref="EnvironmentException">It cannot be written.</exception>
    public static void Write(string path, string text) => AtomicFile.WriteText(path, text);
}
