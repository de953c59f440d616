using TurboDiffusion.Cli.Plots;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Samples;

namespace TurboDiffusion.Cli.Output;

/// <summary>
/// Keeps the pictures of a run, of its losses and of its scores, up to date. One that cannot be drawn is told once and ends nothing.
/// </summary>
/// <param name="config">The run.</param>
/// <param name="title">What is trained.</param>
/// <param name="error">Where failure is told.</param>
internal sealed class RunPictures(RunConfig config, string title, TextWriter error) : IProgress<TrainingProgress>
{
    /// <summary>The picture of the losses in the run's folder.</summary>
    public const string Losses = "losses.png";

    /// <summary>The picture of the scores, where there are some.</summary>
    public const string Scores = "scores.png";

    private readonly HashSet<string> _failed = [];

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        if (config.Training.SaveEvery > 0 && value.Iteration % config.Training.SaveEvery == 0) Draw();
    }

    /// <summary>Draws all that there is.</summary>
    public void Draw()
    {
        Draw(LossPlot.Draw, TrainingRun.LossFile, Losses);
        Draw(ScorePlot.Draw, ScoreObserver.File, Scores);
    }

    private void Draw(Func<string, string, string, bool> plot, string table, string picture)
    {
        string log = Path.Combine(config.Output, table);
        if (_failed.Contains(picture) || !File.Exists(log)) return;
        try
        {
            plot(log, Path.Combine(config.Output, picture), title);
        }
        catch (Exception e)
        {
            _failed.Add(picture);
            error.WriteLine($"warning: {picture} cannot be drawn: {ErrorMessage.OneLine(e)}");
        }
    }
}
