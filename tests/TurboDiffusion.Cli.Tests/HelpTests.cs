using System.CommandLine;
using System.Text.RegularExpressions;
using TurboDiffusion.Cli.Commands;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>What help says of each command is what the command does.</summary>
public partial class HelpTests
{
    private static RootCommand Root =>
        CommandLine.Root(new Terminal(TextWriter.Null, TextWriter.Null, null, 100, CancellationToken.None), null);

    public static TheoryData<string> Commands => [.. Root.Subcommands.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Commands))]
    public void Every_option_is_shown_with_a_sentence_and_its_value(string name)
    {
        string help = CommandRun.Of(name, "--help").Out;
        Command command = Root.Subcommands.Single(c => c.Name == name);
        foreach (Option option in command.Options.Where(o => !o.Hidden))
        {
            Assert.Matches($@"(?m)^  .*{option.Name}( |$)", help);
            Assert.EndsWith(".", option.Description);
            Assert.True(option.ValueType == typeof(bool) || option.HelpName is { Length: > 0 }, $"{option.Name} has no word for its value");
            Assert.Contains(option, ((CliCommand)command).Groups.SelectMany(g => g.Options));
        }
        Assert.All(command.Arguments, a => Assert.EndsWith(".", a.Description));
        Assert.All(help.Split('\n').Where(l => !l.StartsWith("  turbodiffusion", StringComparison.Ordinal)),
            line => Assert.True(line.Length <= 100, line));
    }

    // The words between bars are what is accepted, and nothing else is.
    [Theory]
    [MemberData(nameof(Commands))]
    public void Every_word_that_is_offered_is_accepted_and_no_other(string name)
    {
        RootCommand root = Root;
        foreach (Option option in root.Subcommands.Single(c => c.Name == name).Options)
        {
            string[] words = [.. (option.HelpName ?? "").Split('|').Where(w => w.Length > 0)];
            if (words.Length < 2 || words.Any(w => w.Any(char.IsUpper))) continue;
            foreach (string word in words) Assert.Empty(ErrorsOf(root, [name, option.Name, word], option.Name));
            // A text is looked at by what it is for.
            if (option.ValueType != typeof(string))
                Assert.NotEmpty(ErrorsOf(root, [name, option.Name, words[0] + "x"], option.Name));
        }
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void Every_example_can_be_parsed(string name)
    {
        RootCommand root = Root;
        foreach (string example in ((CliCommand)root.Subcommands.Single(c => c.Name == name)).Examples)
            foreach (string line in $"turbodiffusion {example}".Split(" && "))
            {
                string[] args = [.. Words().Matches(line.Split(" > ")[0]).Skip(1).Select(m => m.Value.Trim('"'))];
                ParseResult parsed = root.Parse(args);
                Assert.True(parsed.Errors.Count == 0, $"{line}: {parsed.Errors.FirstOrDefault()?.Message}");
                Assert.Null(ArgumentCheck.UnknownOption(args, parsed.CommandResult.Command, root));
                Assert.Null(ArgumentCheck.MissingValue(args, parsed));
            }
    }

    [Theory]
    [InlineData("plan", "turbodiffusion plan [MODEL] [options]")]
    [InlineData("inspect", "turbodiffusion inspect FILE… [options]")]
    [InlineData("merge", "turbodiffusion merge BASE TUNED TUNED_FROM OUT [options]")]
    [InlineData("merge", "turbodiffusion merge BASE OUT --lora FILE[:STRENGTH] [options]")]
    public void The_usage_shows_what_may_be_left_out(string command, string usage) =>
        Assert.Contains(usage + "\n", CommandRun.Of(command, "--help").Out);

    // Missing arguments are errors of the command, not of the option.
    private static IEnumerable<string> ErrorsOf(RootCommand root, string[] args, string option) =>
        root.Parse(args).Errors.Select(e => e.Message).Where(m => m.Contains(option, StringComparison.Ordinal));

    [GeneratedRegex("\"[^\"]*\"|[^ ]+")]
    private static partial Regex Words();
}
