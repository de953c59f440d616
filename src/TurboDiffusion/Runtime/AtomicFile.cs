using System.Text;

namespace TurboDiffusion.Runtime;

/// <summary>Files that appear under their names only when they are complete and the disk has them.</summary>
public static class AtomicFile
{
    /// <summary>Writes a file aside and renames it. An error leaves nothing, and leaves an existing file as it was.</summary>
    /// <param name="path">The file; an existing one is replaced, folders that are missing are made.</param>
    /// <param name="write">Writes it; the stream can seek and is not buffered.</param>
    /// <param name="length">Its bytes, where they are known: the room is taken at once.</param>
    /// <exception cref="EnvironmentException">The file cannot be written: no right, no room, a name that cannot be.</exception>
    public static void Write(string path, Action<Stream> write, long length = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        try
        {
            using PartialOutput partial = PartialOutput.OfFile(path, length);
            write(partial.Stream!);
            partial.Commit(overwrite: true);
        }
        // "value": what .NET makes of a file that is larger than the shell's limit.
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException { ParamName: "path" or "value" })
        {
            throw new EnvironmentException("disk", $"{path}{(length == 0 ? "" : $" ({length} bytes)")} cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Writes a text file in UTF-8.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="text">All of it.</param>
    /// <exception cref="EnvironmentException">The file cannot be written.</exception>
    public static void WriteText(string path, string text) => WriteBytes(path, Encoding.UTF8.GetBytes(text));

    /// <summary>Writes a file.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="bytes">All of it.</param>
    /// <exception cref="EnvironmentException">The file cannot be written.</exception>
    public static void WriteBytes(string path, byte[] bytes) => Write(path, file => file.Write(bytes));
}
