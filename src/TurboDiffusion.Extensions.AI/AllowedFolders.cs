namespace TurboDiffusion.Extensions.AI;

/// <summary>Says which files a model may name: those inside the allowed folders, after links are followed.</summary>
internal sealed class AllowedFolders
{
    private readonly List<string> _folders;

    public AllowedFolders(IEnumerable<string> folders) =>
        _folders = [.. folders.Select(folder => Path.TrimEndingDirectorySeparator(RealPath(Path.GetFullPath(folder))))];

    /// <summary>The real path of an existing, allowed file; otherwise an error that names the remedy.</summary>
    public (string? Path, string? Error) Resolve(string path)
    {
        if (_folders.Count == 0)
            return (null, "No folder is allowed for start images; the application must allow one.");

        if (Uri.TryCreate(path, UriKind.Absolute, out var uri) && !uri.IsFile)
            return (null, "The image must be a file on this machine, not a web address.");

        string full;
        try
        {
            full = RealPath(Path.GetFullPath(uri is null ? path : uri.LocalPath, _folders[0]));
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            // A circle of links, or a name that no file can have. No more is told, for it may be outside.
            return (null, "The image's path leads nowhere.");
        }

        // The same answer whether or not the file exists: nothing is told of files outside.
        if (!_folders.Exists(folder => full.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal)))
            return (null, "The image lies outside the allowed folders.");

        return File.Exists(full) ? (full, null) : (null, $"There is no image {Path.GetFileName(full)} in the allowed folders.");
    }

    private static string RealPath(string full)
    {
        var real = Path.GetPathRoot(full)!;
        foreach (var part in full[real.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries))
        {
            var next = Path.Combine(real, part);
            real = Target(next) is { } target ? RealPath(target) : next;
        }

        return real;
    }

    private static string? Target(string path) =>
        Directory.Exists(path) ? new DirectoryInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.FullName
        : File.Exists(path) ? new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.FullName
        : null;
}
