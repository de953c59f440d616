using Xunit;

namespace TurboDiffusion.Tests.Golden;

/// <summary>The folder of golden cases, given by the environment variable TURBODIFFUSION_FIXTURES.</summary>
public static class GoldenFixtures
{
    public const string Variable = "TURBODIFFUSION_FIXTURES";

    public static string? Folder => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } f ? f : null;

    /// <summary>The path of a file of the folder; skips the test, saying so, where the folder is not given.</summary>
    public static string Require(params string[] parts)
    {
        Assert.SkipWhen(Folder is null, $"{Variable} is not set: the golden outputs of the official code are not on this machine");
        return Path.Combine([Folder!, .. parts]);
    }
}
