namespace TurboDiffusion.Runtime;

/// <summary>Files that appear under their names only when they are complete.</summary>
public static class AtomicFile
{
    /// <summary>Writes a file aside and renames it. An error leaves nothing, and leaves an existing file as it was.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="write">Writes a file of the name that it is given, which is in the same folder.</param>
    public static void Write(string path, Action<string> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        string aside = $"{path}.{Path.GetRandomFileName()}.partial";
        try
        {
            write(aside);
            File.Move(aside, path, overwrite: true);
        }
        catch
        {
            if (File.Exists(aside)) File.Delete(aside);
            throw;
        }
    }
}
