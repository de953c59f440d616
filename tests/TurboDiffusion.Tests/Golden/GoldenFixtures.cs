using Xunit;

namespace TurboDiffusion.Tests.Golden;

/// <summary>
/// Golden outputs: the small cases that come with these tests, and those of the folders that the environment variable
/// TURBODIFFUSION_FIXTURES names, separated as on <c>PATH</c>.
/// </summary>
public static class GoldenFixtures
{
    public const string Variable = "TURBODIFFUSION_FIXTURES";

    /// <summary>The folders that were asked for.</summary>
    public static readonly IReadOnlyList<string> Given = (Environment.GetEnvironmentVariable(Variable) ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>Those, and the folder of the small cases.</summary>
    public static readonly IReadOnlyList<string> Folders = [.. Given, Path.Combine(AppContext.BaseDirectory, "Golden", "Data")];

    /// <summary>The paths of the cases in every folder that is there.</summary>
    /// <param name="patterns">Of their names, such as <c>vae-*</c>.</param>
    public static IEnumerable<string> Cases(params string[] patterns) =>
        Folders.Where(Directory.Exists).SelectMany(f => patterns.SelectMany(p => Directory.GetFiles(f, p + ".safetensors")));

    /// <summary>The path of a file in the first folder that has it, or null.</summary>
    public static string? Find(params string[] parts) =>
        Folders.Select(folder => Path.Combine([folder, .. parts])).FirstOrDefault(File.Exists);

    /// <summary>As <see cref="Find"/>; where no folder has it, the test fails, or, if none was asked for, is skipped and says so.</summary>
    public static string Require(params string[] parts)
    {
        if (Find(parts) is { } path) return path;
        string name = Path.Combine(parts);
        Assert.SkipWhen(Given.Count == 0, $"{Variable} is not set, and {name} is not among the cases that come with the tests");
        throw new FileNotFoundException($"{Variable}={string.Join(Path.PathSeparator, Given)}: none of the folders has {name}", name);
    }
}
