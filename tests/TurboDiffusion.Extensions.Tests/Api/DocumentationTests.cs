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
    [InlineData("service.md", 1)]
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

    [Fact]
    public void The_first_page_names_every_page_every_command_and_every_integration()
    {
        var readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        string[] pages = [.. Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md")
            .Select(page => $"(docs/{Path.GetFileName(page)})")];
        string[] commands =
        [
            .. Directory.GetFiles(Path.Combine(Repository.Root, "src", "TurboDiffusion.Cli", "Commands"), "*Command.cs")
                .Select(file => Regex.Match(File.ReadAllText(file), "base\\(terminal, \"([a-z]+)\""))
                .Where(match => match.Success).Select(match => $"`{match.Groups[1].Value}`"),
        ];

        Assert.InRange(pages.Length, 10, 100);
        Assert.InRange(commands.Length, 10, 100);
        Assert.All([.. pages, .. commands], name => Assert.Contains(name, readme, StringComparison.Ordinal));
        var links = Regex.Matches(readme, "\\]\\(([^)#]+)\\)").Select(match => match.Groups[1].Value)
            .Where(link => !link.Contains("://", StringComparison.Ordinal));
        Assert.All(links, link => Assert.True(Path.Exists(Path.Combine(Repository.Root, link)), link));
    }

    // What they name can be found: folders, files and types; words in capitals (NAME, OPERATOR) stand for others.
    [Theory]
    [InlineData("docs/architecture.md", 60)]
    [InlineData("CONTRIBUTING.md", 20)]
    [InlineData("docs/testing.md", 10)]
    public void The_pages_for_contributors_name_what_is_there(string page, int atLeast)
    {
        string[] parts = ["src", "tests", "native"];
        string[] files = [.. parts.SelectMany(part => Directory.EnumerateFiles(Path.Combine(Repository.Root, part), "*",
            SearchOption.AllDirectories)).Where(file => !Regex.IsMatch(file, @"[/\\](bin|obj)[/\\]"))];
        string paths = string.Join('\n', files.Select(file => "/" + Path.GetRelativePath(Repository.Root, file).Replace('\\', '/')));
        HashSet<string> words = [.. files.Where(file => file.EndsWith(".cs", StringComparison.Ordinal))
            .SelectMany(file => Regex.Matches(File.ReadAllText(file), @"\w+").Select(m => m.Value))];
        string text = Regex.Replace(File.ReadAllText(Path.Combine(Repository.Root, page)), "```.*?```", "", RegexOptions.Singleline);
        string[] names = [.. Regex.Matches(text, "`([^`\n]+)`").Select(m => m.Groups[1].Value)
            .Where(name => Regex.IsMatch(name, @"^[\w./*]+$") && !Regex.IsMatch(name, @"\b[A-Z_]{3,}\b")).Distinct()];
        string[] missing = [.. names.Where(name => name.Contains('/') || Regex.IsMatch(name, @"\.\w{2,4}$") && !Type().IsMatch(name)
            ? !Regex.IsMatch(paths, "/" + Regex.Escape(name.Trim('/')).Replace(@"\*\*/", "(.*/)?").Replace(@"\*", "[^/\n]*") + "(/|$)",
                RegexOptions.Multiline) && !Path.Exists(Path.Combine(Repository.Root, name))
            : Type().IsMatch(name) && !name.Split('.').All(words.Contains))];

        Assert.InRange(names.Length, atLeast, 1000);
        Assert.True(missing.Length == 0, $"{page} names what is not there: {string.Join(", ", missing)}");
    }

    [Fact]
    public void A_packages_page_has_no_link_that_breaks_outside_the_repository()
    {
        var projects = Directory.GetFiles(Path.Combine(Repository.Root, "src"), "*.csproj", SearchOption.AllDirectories)
            .Where(project => Regex.IsMatch(File.ReadAllText(project), "<(IsPackable|PackAsTool)>true<")).ToList();
        Assert.InRange(projects.Count, 10, 100);
        Assert.All(projects, project =>
        {
            var page = File.ReadAllText(Path.Combine(Path.GetDirectoryName(project)!, "README.md"));
            Assert.StartsWith($"# {Path.GetFileNameWithoutExtension(project)}\n", page, StringComparison.Ordinal);
            Assert.DoesNotMatch("\\]\\((?!https://)", page);
        });
    }

    private static string Region(string file, string name)
    {
        var source = File.ReadAllText(Path.Combine(Repository.Root, file));
        var match = Regex.Match(source, $"// <{name}>\n(.*?)\n *// </{name}>", RegexOptions.Singleline);
        Assert.True(match.Success, $"{file} has no region '{name}'.");
        return match.Groups[1].Value;
    }

    [GeneratedRegex(@"^[A-Z]\w*(\.[A-Z]\w*)*$")]
    private static partial Regex Type();

    [GeneratedRegex("(<!-- ([^#\n]+)#([a-z]+) -->\n)```csharp\n.*?```", RegexOptions.Singleline)]
    private static partial Regex Snippet();
}
