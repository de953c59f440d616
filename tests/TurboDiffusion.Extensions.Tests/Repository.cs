using System.Runtime.CompilerServices;

namespace TurboDiffusion.Extensions.Tests;

/// <summary>The source folder that the tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find([CallerFilePath] string path = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "..", ".."));
}
