using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>A typing error never becomes a prompt, a file name or a value.</summary>
public class ArgumentTests(Models models)
{
    [Theory]
    [InlineData("--help-me")]
    [InlineData("--stepss", "x")]
    [InlineData("x", "--negative-prompt", "--sed")]
    [InlineData("-z", "x")]
    [InlineData("x", "-o", "-quiet")]
    [InlineData("--", "--steps", "x", "y")]
    [InlineData("x", "--negative-prompt", "--overwrite")]
    [InlineData("x", "--negative-prompt", "--steps", "1")]
    [InlineData("x", "-o", "--quiet")]
    [InlineData("x", "-o", "-q")]
    public async Task What_looks_like_an_option_and_is_none_writes_nothing(params string[] args)
    {
        string folder = models.NewFolder();
        var start = new System.Diagnostics.ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "TurboDiffusion.Cli"),
            ["generate", .. args])
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        using var process = System.Diagnostics.Process.Start(start)!;
        CommandRun run = await CommandRun.EndOf(process);
        Assert.Equal((2, ""), (run.ExitCode, run.Out));
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Theory]
    [InlineData("generate", "--stepss", "--steps")]
    [InlineData("generate", "--negatve-prompt=x", "--negative-prompt")]
    [InlineData("generate", "--verbos", "--verbose")]
    [InlineData("models", "--jsn", "--json")]
    [InlineData("inspect", "--tensor", "--tensors")]
    [InlineData("convert", "--dtpye", "--dtype")]
    [InlineData("quantize", "--overwite", "--overwrite")]
    [InlineData("merge", "--wieght", "--weight")]
    [InlineData("new", "--layer", "--layers")]
    [InlineData("encode", "--clip", "--clips")]
    [InlineData("world", "--vea", "--vae")]
    [InlineData("train", "--confg", "--config")]
    [InlineData("evaluate", "--pln", "--plan")]
    [InlineData("bench", "--prset", "--preset")]
    [InlineData("doctor", "--jso", "--json")]
    public void Every_command_names_the_option_that_was_meant(string command, string given, string meant)
    {
        CommandRun run = CommandRun.Of(command, given);
        Assert.Equal((2, ""), (run.ExitCode, run.Out));
        Assert.Contains($"Did you mean {meant}?", Assert.Single(run.Errors));
        Assert.EndsWith($"See turbodiffusion {command} --help.\n", run.Error);
    }

    // Every option of every command: what follows it is its value, unless that is an option too.
    [Fact]
    public void An_option_is_never_the_value_of_the_option_before_it()
    {
        System.CommandLine.RootCommand root =
            CommandLine.Root(new Terminal(TextWriter.Null, TextWriter.Null, null, 100, CancellationToken.None), null);
        int options = 0;
        foreach (System.CommandLine.Command command in root.Subcommands)
        {
            foreach (System.CommandLine.Option option in command.Options.Where(o => !o.Hidden && o.HelpName is not null
                && o.ValueType != typeof(bool)))
            {
                CommandRun run = CommandRun.Of([command.Name, .. command.Arguments.Select(_ => "x"), option.Name, "--verbose"]);
                Assert.Equal((2, ""), (run.ExitCode, run.Out));
                Assert.Contains(option.Name, run.Error);
                options++;
            }
        }
        Assert.True(options > 80, $"{options} options");
    }

    [Theory]
    [InlineData("genrate", "Did you mean generate?")]
    [InlineData("Doctor", "Did you mean doctor?")]
    [InlineData("zzz", "no command 'zzz'.\n")]
    public void A_command_that_is_none_is_told_with_the_one_that_was_meant(string command, string expected)
    {
        CommandRun run = CommandRun.Of(command, "x");
        Assert.Equal((2, ""), (run.ExitCode, run.Out));
        Assert.Contains(expected, run.Error);
    }

    [Fact]
    public void A_prompt_without_quotation_marks_is_told_so()
    {
        CommandRun run = CommandRun.Of("generate", "a", "cat");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("quotation marks", Assert.Single(run.Errors));
    }

    // The size is refused last, when everything else was understood.
    [Theory]
    [InlineData("--", "--a cat")]
    [InlineData("x", "--negative-prompt=--blurry")]
    [InlineData("-5 degrees in the snow")]
    [InlineData("- a list")]
    public void A_text_that_begins_with_a_dash_can_be_given(params string[] args)
    {
        CommandRun run = CommandRun.Of(["generate", "--size", "100x64", .. args]);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("multiple of 16", Assert.Single(run.Errors));
    }
}
