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

    [Theory]
    [InlineData("generate", "x", "--model", "")]
    [InlineData("generate", "x", "-m", " ")]
    [InlineData("generate", "x", "--lora", "")]
    [InlineData("inspect", "")]
    [InlineData("inspect", "a.safetensors", "")]
    [InlineData("convert", "", "b.safetensors")]
    [InlineData("merge", "a", "b", "", "d")]
    [InlineData("encode", "", "out")]
    [InlineData("world", "")]
    [InlineData("train", "sla", "--config", "")]
    [InlineData("serve", "--data", "")]
    [InlineData("bench", "--json", "")]
    public void A_value_without_a_character_is_told(params string[] args)
    {
        CommandRun run = CommandRun.Of(args);
        Assert.Equal((2, ""), (run.ExitCode, run.Out));
        Assert.EndsWith(" is empty; give it a value, or leave it out.", Assert.Single(run.Errors));
    }

    [Theory]
    [InlineData("inspect", "a\uFFFD.safetensors")]
    [InlineData("generate", "x", "-o", "\uFFFD.mp4")]
    public void Bytes_that_are_no_text_are_told(params string[] args)
    {
        CommandRun run = CommandRun.Of(args);
        Assert.Equal(2, run.ExitCode);
        Assert.EndsWith("is not text in UTF-8.", Assert.Single(run.Errors));
    }

    [Theory]
    [InlineData("generate", "x", "-o", "NAME.mp4")]
    [InlineData("generate", "x", "-o", "NAME/v.mp4")]
    [InlineData("new", "small", "NAME.safetensors", "--part", "vae")]
    [InlineData("bench", "--device", "cpu", "--json", "NAME.json")]
    public void A_name_that_no_disk_takes_is_told_before_the_work(params string[] args)
    {
        string name = Path.Combine(models.NewFolder(), new string('n', 300));
        CommandRun run = CommandRun.Of([.. args.Select(a => a.Replace("NAME", name, StringComparison.Ordinal))]);
        Assert.Equal((1, ""), (run.ExitCode, run.Out));
        Assert.Contains("too long", Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
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
