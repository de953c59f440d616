namespace TurboDiffusion.Runtime;

/// <summary>
/// A folder of its own among the temporary files, for this user alone, removed when it is disposed. One whose process was killed is removed
/// by the next that makes one.
/// </summary>
public sealed class ScratchFolder : IDisposable
{
    private readonly PartialOutput _folder;

    /// <summary>Makes the folder.</summary>
    /// <param name="purpose">What it is for, to follow "needed for" in an error.</param>
    /// <exception cref="EnvironmentException">The folder for temporary files is missing or cannot be written into.</exception>
    public ScratchFolder(string purpose)
    {
        string parent = System.IO.Path.GetTempPath();
        try
        {
            // It is not ours to make.
            if (!Directory.Exists(parent)) throw new DirectoryNotFoundException("It does not exist.");
            // Never committed, so that it never gets the name.
            _folder = PartialOutput.OfFolder(System.IO.Path.Combine(parent, "turbodiffusion"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("disk",
                $"The folder for temporary files, {parent}, is needed for {purpose}, and cannot be written into: {e.Message} Set TMPDIR to "
                    + "another.", e);
        }
        if (OperatingSystem.IsLinux())
            File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>Its full path.</summary>
    public string Path => _folder.Path;

    /// <summary>Writes a file into it.</summary>
    /// <param name="name">The file's name.</param>
    /// <param name="content">All of it.</param>
    /// <returns>The file's full path.</returns>
    /// <exception cref="EnvironmentException">It cannot be written.</exception>
    public string Add(string name, ReadOnlyMemory<byte> content)
    {
        string path = System.IO.Path.Combine(Path, name);
        AtomicFile.Write(path, file => file.Write(content.Span));
        return path;
    }

    /// <summary>Removes it, with all that is in it.</summary>
    public void Dispose() => _folder.Dispose();
}
