using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace TurboDiffusion.Tests;

/// <summary>The faults that <c>tests/mutants.cs</c> puts into a copy of the engine can still be put there.</summary>
public partial class MutantsTests
{
    private sealed record Mutant(string Name, string File, string Text, string Fault);

    private static readonly Mutant[] Mutants = JsonSerializer.Deserialize<Mutant[]>(
        File.ReadAllText(Path.Combine(Repository.Root, "tests", "mutants.json")),
        new JsonSerializerOptions(JsonSerializerDefaults.Web) { ReadCommentHandling = JsonCommentHandling.Skip })!;

    [Fact]
    public void The_text_of_each_fault_stands_in_its_file_once()
    {
        string[] stale = [.. from mutant in Mutants
                             let times = Times(mutant)
                             where times != 1 || mutant.Text == mutant.Fault
                             select $"'{mutant.Name}': '{mutant.Text}' stands {times} times in {mutant.File}"];
        Assert.True(stale.Length == 0, "Give the text that makes these faults now, in tests/mutants.json, and run tests/mutants.cs for "
            + $"them:\n{string.Join('\n', stale)}");
    }

    [Fact]
    public void The_table_on_the_page_has_every_fault()
    {
        string page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "testing.md"));
        Assert.Equal(Mutants.Select(m => m.Name), Rows().Matches(page).Select(m => m.Groups[1].Value));
        Assert.Contains($"{Mutants.Length} of {Mutants.Length} killed.", page);
    }

    // A test that is gone guards nothing.
    [Fact]
    public void The_tests_that_the_page_names_are_there()
    {
        string page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "testing.md"));
        string[][] rows = [.. Rows().Matches(page)
            .Select(row => Names().Matches(row.Groups[2].Value).Select(m => m.Groups[1].Value).ToArray())];
        Assert.All(rows, Assert.NotEmpty);
        string[] gone = [.. rows.SelectMany(names => names).Distinct()
            .Where(name => !(name.Contains('.') ? IsTest(name) : IsGoldenCase(name)))];
        Assert.True(gone.Length == 0, $"docs/testing.md names what is no test: {string.Join(", ", gone)}; run tests/mutants.cs again.");
    }

    private static bool IsTest(string name) => name.Split('.') is [string type, string method] && typeof(MutantsTests).Assembly.GetTypes()
        .Any(t => t.Name == type && t.GetMethod(method)?.IsDefined(typeof(FactAttribute), inherit: true) == true);

    private static bool IsGoldenCase(string name) => File.Exists(
        Path.Combine(Repository.Root, "tests", "TurboDiffusion.Tests", "Golden", "Data", name + ".safetensors"));

    private static int Times(Mutant mutant)
    {
        string path = Path.Combine(Repository.Root, "src", "TurboDiffusion", mutant.File);
        return File.Exists(path) ? File.ReadAllText(path).Split(mutant.Text).Length - 1 : 0;
    }

    [GeneratedRegex(@"^\| (.+?) \| killed \| (.*)\|$", RegexOptions.Multiline)]
    private static partial Regex Rows();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Names();
}
