using System.Text.RegularExpressions;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Api;

/// <summary>
/// The code in the pages is that of the samples, between <c>// &lt;name&gt;</c> and <c>// &lt;/name&gt;</c>. After a
/// change of a sample, run with <c>TURBODIFFUSION_APPROVE_API=1</c> and commit the changed pages.
/// </summary>
public sealed partial class DocumentationTests
{
    [Theory]
    [InlineData("microsoft-extensions-ai.md", 3)]
    [InlineData("semantic-kernel.md", 1)]
    [InlineData("ml-net.md", 2)]
    public void Snippets_are_those_of_the_samples(string page, int snippets)
    {
        var path = Path.Combine(Repository.Root, "docs", page);
        var text = File.ReadAllText(path);
        var expected = Snippet().Replace(text, match =>
            $"{match.Groups[1].Value}```csharp\n{Region(match.Groups[2].Value, match.Groups[3].Value)}\n```");
        if (Environment.GetEnvironmentVariable("TURBODIFFUSION_APPROVE_API") == "1")
            File.WriteAllText(path, expected);

        Assert.Equal(snippets, Snippet().Count(text));
        Assert.Equal(Regex.Count(text, "^```csharp", RegexOptions.Multiline), snippets);
        Assert.Equal(expected, File.ReadAllText(path));
    }

    private static string Region(string file, string name)
    {
        var source = File.ReadAllText(Path.Combine(Repository.Root, file));
        var match = Regex.Match(source, $"// <{name}>\n(.*?)\n *// </{name}>", RegexOptions.Singleline);
        Assert.True(match.Success, $"{file} has no region '{name}'.");
        return match.Groups[1].Value;
    }

    [GeneratedRegex("(<!-- ([^#\n]+)#([a-z]+) -->\n)```csharp\n.*?```", RegexOptions.Singleline)]
    private static partial Regex Snippet();
}
