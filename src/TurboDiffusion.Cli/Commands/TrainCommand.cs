using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Models;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Networks;
using TurboDiffusion.Training.Samples;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>train</c>: a run of one of the loops from its configuration, new or continued.</summary>
internal sealed class TrainCommand : CliCommand
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly Argument<string> _loop = new("LOOP") { Description = $"What is trained: {string.Join(", ", TrainingLoop.All.Keys)}." };
    private readonly Option<string?> _config = Opt.Text("--config", "FILE",
        "The configuration, a JSON file; needed but for --print-config.", "-c");
    private readonly Option<string?> _output = Opt.Text("--output", "FOLDER",
        "The folder of the run, in place of the configuration's.", "-o");
    private readonly Option<int?> _iterations = Opt.Number<int>("--iterations", "N", "Iterations in all, in place of the configuration's.");
    private readonly Option<int?> _lora = Opt.Number<int>("--lora", "RANK",
        "Train a LoRA of this rank in place of the whole transformer, whose weights stay as they are.");
    private readonly Option<bool> _print = Opt.Flag("--print-config", "Print a configuration to start from, with every default, and end.");

    /// <summary>Creates the command.</summary>
    public TrainCommand(Terminal terminal)
        : base(terminal, "train", "Train a VAE or a transformer: teacher, sparse-linear attention, rCM.")
    {
        _loop.AcceptOnlyFromAmong([.. TrainingLoop.All.Keys]);
        Arguments.Add(_loop);
        Add("Options", _config, _output, _iterations, _lora, _print);
        Details = "A run whose folder has a saved state continues it, bit for bit. Ctrl-C saves the state and ends. The folder gets the "
            + "state, the configuration, the losses (losses.csv, losses.png), scores where they are asked for (scores.csv, "
            + "scores.png) and, at the end, the model; with --lora, or \"lora\" in the configuration, the LoRA alone: "
            + "lora.safetensors, in ComfyUI's layout, as generate --lora takes it.";
        Examples = ["train sla --print-config > sla.json", "train sla --config sla.json",
            "train rcm --config rcm.json --output runs/rcm-2 --iterations 4000",
            "train teacher --lora 32 --print-config > lora.json"];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        TrainingLoop loop = TrainingLoop.All[parsed.GetRequiredValue(_loop)];
        if (parsed.GetValue(_print))
        {
            Terminal.Out.WriteLine(WithLora(loop.Template, parsed).ToJson());
            return ExitCode.Success;
        }
        string path = parsed.GetValue(_config)
            ?? throw new InvalidRequestException("config",
                "There is no configuration; name its file with --config. --print-config prints one to start from.");
        RunConfig config = loop.Load(path);
        if (parsed.GetValue(_output) is { } output) config = config with { Output = output };
        if (parsed.GetValue(_iterations) is { } iterations)
            config = config with { Training = config.Training with { Iterations = iterations } };
        return Train(WithLora(config, parsed), parsed.GetRequiredValue(_loop));
    }

    private RunConfig WithLora(RunConfig config, ParseResult parsed) => (parsed.GetValue(_lora), config) switch
    {
        (null, _) => config,
        ({ } rank, TransformerRunConfig transformer) =>
            transformer with { Lora = (transformer.Lora ?? new LoraTrainingOptions()) with { Rank = rank } },
        _ => throw new InvalidRequestException("lora", "A VAE has no LoRA; --lora is for the loops of a transformer: teacher, sla, rcm."),
    };

    private int Train(RunConfig config, string name)
    {
        var clock = Stopwatch.StartNew();
        TrainingReport? report = null;
        var pictures = new RunPictures(config, $"training {name}", Terminal.Error);
        try
        {
            ProgressDisplay.Run(Terminal, display =>
            {
                report = new TrainingReport(display, $"training {name}", pictures);
                TrainingRun.Run(config, report, Terminal.Cancelled);
                return true;
            }, Interval);
        }
        catch (OperationCanceledException) when (File.Exists(Path.Combine(config.Output, Trainer.StateFile)))
        {
            string done = report?.Last is { } last ? $" after iteration {last.Iteration}" : "";
            Terminal.Error.WriteLine($"cancelled{done}; the state is saved in {config.Output}, and the same command continues from it");
            TellScores(config.Output, Terminal.Error);
            return ExitCode.Cancelled;
        }
        finally
        {
            pictures.Draw();
        }
        using ICheckpoint model = Checkpoint.Open(Path.Combine(config.Output, config.ResultFile));
        Terminal.Out.WriteLine(report!.Last is null
            ? $"All {config.Training.Iterations} iterations were done before; nothing was trained."
            : $"{report.Summary}; {Format.Seconds(clock.Elapsed)}");
        Terminal.Out.WriteLine($"{model.Path}: {InspectionReport.Line(CheckpointInspector.Inspect(model))}");
        TellScores(config.Output, Terminal.Out);
        return ExitCode.Success;
    }

    // What the model of a scored run is worth, and where a better one lies.
    private void TellScores(string folder, TextWriter output)
    {
        if (ScoreSummary.Read(folder) is not { } scores) return;
        (ScoreLine start, ScoreLine best, ScoreLine end) = scores;
        string all = $"{Percent(end)} of {end.Scores.Clips} held-out clips are right after iteration {end.Iteration}",
            better = $"the best is {Percent(best)}, after iteration {best.Iteration}: {Path.Combine(folder, ScoreObserver.BestFile)}";
        if (scores.EndsBelowStart)
            Terminal.Error.WriteLine(
                $"warning: the run ended below its start: {all}, and {Percent(start)} were after iteration {start.Iteration}; {better}");
        else if (scores.EndsAtBest)
            output.WriteLine($"scores: {all}, the best of the run; {Percent(start)} were after iteration {start.Iteration}");
        else output.WriteLine($"scores: {all}; {better}");

        static string Percent(ScoreLine line) => string.Create(CultureInfo.InvariantCulture, $"{100 * line.Scores.All:0.0} %");
    }
}
