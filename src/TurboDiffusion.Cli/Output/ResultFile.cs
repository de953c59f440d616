using System.Text.Json;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Cli.Output;

/// <summary>A file of results: written aside and then renamed, so that it is never half written.</summary>
internal static class ResultFile
{
    private const long MaxBytes = 1 << 26;

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

    /// <summary>Reads the results of an earlier run.</summary>
    /// <param name="path">The file.</param>
    /// <param name="command">Whose.</param>
    /// <param name="parse">Reads the JSON.</param>
    /// <exception cref="InvalidRequestException">It cannot be read, or is something else.</exception>
    public static T Read<T>(string path, string command, Func<string, T> parse)
    {
        try
        {
            return parse(InputFile.ReadText(path, MaxBytes));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new InvalidRequestException("from",
                $"{path} is not the JSON file of an earlier run of {command}: {ErrorMessage.OneLine(e)}", e);
        }
    }
}
