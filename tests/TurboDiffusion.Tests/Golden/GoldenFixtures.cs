using Xunit;

namespace TurboDiffusion.Tests.Golden;

/// <summary>
/// The golden outputs of the official code: the folder that the environment variable TURBODIFFUSION_FIXTURES names, or the small
/// cases that come with these tests.
/// </summary>
public static class GoldenFixtures
{
    public const string Variable = "TURBODIFFUSION_FIXTURES";

    private static readonly string? Given = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } folder ? folder : null;

    public static string Folder => Given ?? Path.Combine(AppContext.BaseDirectory, "Golden", "Data");

    /// <summary>The path of a file of the folder; skips the test, saying so, where no folder is given and the file is not among the small cases.</summary>
    public static string Require(params string[] parts)
    {
        string path = Path.Combine([Folder, .. parts]);
        Assert.SkipWhen(Given is null && !File.Exists(path), $"{Variable} is not set, and {Path.Combine(parts)} is not among the cases that come with the tests");
        return path;
    }
}
