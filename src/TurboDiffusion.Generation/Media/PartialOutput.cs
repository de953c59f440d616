namespace TurboDiffusion.Generation.Media;

/// <summary>
/// A hidden file or folder beside the one that is wanted. It takes the wanted name by a rename when it is complete, and
/// is deleted otherwise.
/// </summary>
internal sealed class PartialOutput(VideoTarget target, bool overwrite)
{
    /// <summary>The name, without the folder. Nothing of the user's is in it, so it needs no quoting anywhere.</summary>
    public string Name { get; } = NewName();

    public string Path => System.IO.Path.Combine(target.Folder, Name);

    public static string NewName() => $".turbodiffusion-{Guid.NewGuid():n}.partial";

    /// <summary>Puts the output in its place.</summary>
    public void Commit()
    {
        try
        {
            if (target.Container == VideoContainer.PngFrames) CommitFolder();
            else File.Move(Path, target.Path, overwrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Discard();
            throw new EnvironmentException("output", $"The video could not be put in its place at {target.Path}: {e.Message}", e);
        }
    }

    /// <summary>Deletes what there is of the output.</summary>
    public void Discard()
    {
        if (Directory.Exists(Path)) Directory.Delete(Path, recursive: true);
        else File.Delete(Path);
    }

    private void CommitFolder()
    {
        if (!Directory.Exists(target.Path))
        {
            Directory.Move(Path, target.Path);
            return;
        }
        // A folder cannot be replaced in one step: the old one steps aside first.
        string old = System.IO.Path.Combine(target.Folder, NewName());
        Directory.Move(target.Path, old);
        Directory.Move(Path, target.Path);
        Directory.Delete(old, recursive: true);
    }
}
