using TorchSharp;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Samples;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class TrainTests(Models models)
{
    [Fact]
    public void A_run_reports_its_losses_and_goes_on_where_it_ended()
    {
        (string file, SlaConfig config) = Sla(iterations: 3);
        CommandRun run = CommandRun.Of("train", "sla", "--config", file);
        Assert.Equal((0, ""), (run.ExitCode, string.Concat(run.Errors)));
        Assert.Matches(@"training sla, 1 of 3 iterations, sla 0\.\d+, gradient \d\S*, rate 1E-05, \d+\.\d (it/s|s/it), 0:\d\d left\n",
            run.Error);
        Assert.Matches(@"training sla, 3 of 3 iterations, sla 0\.\d+, gradient \d\S*, rate 1E-05, \S+ \S+\n", run.Error);
        Assert.Matches(@"^3 iterations, sla 0\.\d+; \d", run.Out);
        Assert.Contains($"{Path.Combine(config.Output, TrainingRun.ModelFile)}: custom transformer, sla", run.Out);

        Assert.True(File.Exists(Path.Combine(config.Output, RunPictures.Losses)));

        CommandRun more = CommandRun.Of("train", "sla", "-c", file, "--iterations", "5");
        Assert.Equal(0, more.ExitCode);
        Assert.Contains("4 of 5 iterations", more.Error);
        Assert.Equal(["1", "2", "3", "4", "5"], Iterations(config.Output));

        CommandRun again = CommandRun.Of("train", "sla", "-c", file, "--iterations", "5");
        Assert.Equal(0, again.ExitCode);
        Assert.Contains("nothing was trained", again.Out);
    }

    // A world, a score, one iteration; what the scores then are is written by hand.
    [Fact]
    public void A_scored_run_says_what_it_is_worth_and_where_a_better_state_lies()
    {
        string folder = models.NewFolder(), file = Path.Combine(folder, "vae.json");
        var config = new VaeTrainingConfig
        {
            Output = Path.Combine(folder, "run"), World = new WorldOptions { Clips = 2, Width = 64, Height = 48, Frames = 5 }, Width = 8,
            Frames = 5, Height = 16, CropWidth = 16,
            Scores = new ScoreOptions { Prompts = 2, TwoObjectPrompts = 0, Width = 64, Height = 48, Frames = 9, Batch = 2 },
            Training = new TrainingOptions { Iterations = 1, SaveEvery = 0 },
        };
        File.WriteAllText(file, config.ToJson());
        string scores = Path.Combine(config.Output, ScoreObserver.File), best = Path.Combine(config.Output, ScoreObserver.BestFile);
        CommandRun run = CommandRun.Of("train", "vae", "--config", file);
        Assert.Equal((0, ""), (run.ExitCode, string.Concat(run.Errors)));
        Assert.Matches(@"\nscores: \d+\.\d % of 2 held-out clips are right after iteration 1, the best of the run", run.Out);
        Assert.True(File.Exists(best));
        Assert.True(File.Exists(Path.Combine(config.Output, RunPictures.Scores)));

        CommandRun Scored(params double[] all)
        {
            IEnumerable<string> lines = all.Select((a, i) => FormattableString.Invariant($"{i * 50},{i * 9},130,1,1,1,1,{a}"));
            File.WriteAllLines(scores, [File.ReadLines(scores).First(), .. lines]);
            return CommandRun.Of("train", "vae", "--config", file);
        }

        CommandRun rises = Scored(0.65, 0.8, 0.85);
        Assert.EndsWith("\nscores: 85.0 % of 130 held-out clips are right after iteration 100, the best of the run; "
            + "65.0 % were after iteration 0\n", rises.Out);
        CommandRun lower = Scored(0.65, 0.85, 0.8);
        Assert.EndsWith("\nscores: 80.0 % of 130 held-out clips are right after iteration 100; the best is 85.0 %, after iteration 50: "
            + $"{best}\n", lower.Out);
        Assert.DoesNotContain("warning", lower.Error);
        CommandRun worse = Scored(0.65, 0.7, 0.6);
        Assert.DoesNotContain("scores:", worse.Out);
        Assert.Contains("warning: the run ended below its start: 60.0 % of 130 held-out clips are right after iteration 100, and 65.0 % "
            + $"were after iteration 0; the best is 70.0 %, after iteration 50: {best}\n", worse.Error);
        Assert.Contains($"the best is 65.0 %, after iteration 0: {best}\n", Scored(0.65, 0.6).Error);
    }

    [Fact]
    public void A_LoRA_is_trained_and_goes_into_a_generation()
    {
        (string file, SlaConfig config) = Sla(iterations: 3);
        CommandRun run = CommandRun.Of("train", "sla", "--config", file, "--lora", "4");
        Assert.Equal((0, ""), (run.ExitCode, string.Concat(run.Errors)));
        string lora = Path.Combine(config.Output, TrainingRun.LoraFile), folder = models.NewFolder();
        Assert.Contains($"{lora}: LoRA, ", run.Out);
        Assert.Equal(4, RunConfig.Load<SlaConfig>(Path.Combine(config.Output, TrainingRun.ConfigFile)).Lora!.Rank);
        CommandRun more = CommandRun.Of("train", "sla", "--config", file, "--lora", "4", "--iterations", "5");
        Assert.Equal((0, true), (more.ExitCode, more.Error.Contains("4 of 5 iterations")));
        Assert.Contains("Resume with the configuration",
            Assert.Single(CommandRun.Of("train", "sla", "--config", file, "--lora", "8", "--iterations", "6").Errors));

        Assert.Matches("ranks +4\n", CommandRun.Of("inspect", lora).Out);
        CommandRun made = CommandRun.Of(models.Generate(Path.Combine(folder, "a.gif"), "--lora", lora));
        Assert.Equal((0, ""), (made.ExitCode, string.Concat(made.Errors)));
        Assert.DoesNotContain("ignored", made.Error);
        CommandRun.Of(models.Generate(Path.Combine(folder, "b.gif")));
        Assert.NotEqual(File.ReadAllBytes(Path.Combine(folder, "b.gif")), File.ReadAllBytes(Path.Combine(folder, "a.gif")));
    }

    [Fact]
    public void The_printed_configuration_has_the_LoRA_that_is_asked_for()
    {
        string printed = CommandRun.Of("train", "rcm", "--print-config").Out;
        Assert.Contains("\"lora\": null", printed);
        Assert.DoesNotContain("resultFile", printed);
        Assert.Contains("\"rank\": 16", CommandRun.Of("train", "rcm", "--lora", "16", "--print-config").Out);
        Assert.Contains("A VAE has no LoRA", Assert.Single(CommandRun.Of("train", "vae", "--lora", "16", "--print-config").Errors));
    }

    [Fact]
    public void Cancelling_saves_the_state_and_says_how_to_go_on()
    {
        (string file, SlaConfig config) = Sla(iterations: 1000);
        string other = Path.Combine(models.NewFolder(), "run");
        using var cancellation = new CancellationTokenSource();
        using var error = new CancellingWriter(" iterations, ", cancellation);
        int code = CommandLine.Run(["train", "sla", "--config", file, "--output", other],
            new Terminal(TextWriter.Null, error, null, 100, cancellation.Token));
        Assert.Equal(130, code);
        Assert.EndsWith($"cancelled after iteration 1; the state is saved in {other}, and the same command continues from it\n",
            error.ToString());
        Assert.False(Directory.Exists(config.Output));

        CommandRun rest = CommandRun.Of("train", "sla", "--config", file, "--output", other, "--iterations", "3");
        Assert.Equal(0, rest.ExitCode);
        Assert.Equal(["1", "2", "3"], Iterations(other));
    }

    [Theory]
    [InlineData("vae", typeof(VaeTrainingConfig))]
    [InlineData("teacher", typeof(TeacherConfig))]
    [InlineData("sla", typeof(SlaConfig))]
    [InlineData("rcm", typeof(RcmConfig))]
    public void The_printed_configuration_can_be_read(string loop, Type type)
    {
        CommandRun run = CommandRun.Of("train", loop, "--print-config");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        string file = Path.Combine(models.NewFolder(), "config.json");
        File.WriteAllText(file, run.Out);
        var read = (RunConfig)typeof(RunConfig).GetMethod(nameof(RunConfig.Load))!.MakeGenericMethod(type).Invoke(null, [file])!;
        Assert.Equal(run.Out, read.ToJson() + Environment.NewLine);
    }

    [Fact]
    public void What_cannot_be_run_is_one_line()
    {
        (string file, _) = Sla(iterations: 1);
        Assert.Contains("--config", Assert.Single(CommandRun.Of("train", "sla").Errors));
        Assert.Contains("teacher", Assert.Single(CommandRun.Of("train", "vae", "--config", file).Errors));
        Assert.Equal(2, CommandRun.Of("train", "everything").ExitCode);
        CommandRun nowhere = CommandRun.Of("train", "sla", "--config", file, "--output", "/proc/run");
        Assert.Equal(1, nowhere.ExitCode);
        Assert.DoesNotContain("--verbose", Assert.Single(nowhere.Errors));
        CommandRun negative = CommandRun.Of("train", "sla", "--config", file, "--iterations", "-1");
        Assert.Contains("-1", Assert.Single(negative.Errors));
    }

    private static IEnumerable<string> Iterations(string run) =>
        File.ReadLines(Path.Combine(run, TrainingRun.LossFile)).Skip(1).Select(l => l.Split(',')[0]);

    private (string File, SlaConfig Config) Sla(int iterations)
    {
        using var scope = torch.NewDisposeScope();
        string folder = models.NewFolder(), data = Path.Combine(folder, "data");
        var random = new PhiloxNoise(3);
        for (int i = 0; i < 2; i++) LatentFolder.Add(data, $"{i}", random.Normal(16, 2, 8, 8), random.Normal(3, 64));
        LatentFolder.SetNegative(data, torch.zeros(3, 64));
        string teacher = models.Transformer(AttentionKind.Dense, WeightFormat.Float);
        SlaConfig config = new()
        {
            Output = Path.Combine(folder, "run"), Data = data, Teacher = teacher, QueryBlock = 16, KeyBlock = 16,
        };
        config = config with { Training = config.Training with { Iterations = iterations } };
        string file = Path.Combine(folder, "sla.json");
        File.WriteAllText(file, config.ToJson());
        return (file, config);
    }
}
