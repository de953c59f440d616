using System.IO.Enumeration;

namespace TurboDiffusion.Runtime;

/// <summary>Folders of data that others made.</summary>
internal static class InputFolder
{
    /// <summary>
    /// The files in a folder and, if asked for, in those within it, in the order of their paths. Links to folders are not entered: they may
    /// lead round in a circle.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="endings">The endings that are wanted, in small letters.</param>
    /// <param name="recursive">Whether folders within it are looked into.</param>
    /// <exception cref="InvalidRequestException">There is no such folder, or it cannot be listed.</exception>
    public static string[] Files(string folder, IReadOnlyList<string> endings, bool recursive = false)
    {
        try
        {
            return [.. new FileSystemEnumerable<string>(folder, (ref FileSystemEntry entry) => entry.ToSpecifiedFullPath(),
                new EnumerationOptions { RecurseSubdirectories = recursive, AttributesToSkip = 0, IgnoreInaccessible = false })
            {
                ShouldIncludePredicate = (ref FileSystemEntry entry) => !entry.IsDirectory,
                ShouldRecursePredicate = (ref FileSystemEntry entry) => (entry.Attributes & FileAttributes.ReparsePoint) == 0,
            }.Where(f => endings.Contains(Path.GetExtension(f).ToLowerInvariant())).Order(StringComparer.Ordinal)];
        }
        catch (DirectoryNotFoundException e)
        {
            throw new InvalidRequestException("data", $"There is no folder {folder}.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InvalidRequestException("data", $"The folder {folder} cannot be listed: {e.Message}", e);
        }
    }
}
