namespace TurboDiffusion;

/// <summary>
/// The source tree that the tests were built from: the nearest folder above the test program that has the solution. Not from the compiler
/// (<c>CallerFilePath</c>), whose paths are "/_/…" in a build with <c>CI=true</c>.
/// </summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "TurboDiffusion.Extensions.sln")))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} has TurboDiffusion.Extensions.sln; run the "
            + "tests from the repository they were built in.");
    }
}
