using TurboDiffusion.Cli.Plots;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Loops;

namespace TurboDiffusion.Cli.Output;

/// <summary>Keeps a run's <c>losses.png</c> up to date. A picture that cannot be drawn is told once and ends nothing.</summary>
/// <param name="config">The run.</param>
/// <param name="title">What is trained.</param>
/// <param name="error">Where failure is told.</param>
internal sealed class LossCurve(RunConfig config, string title, TextWriter error) : IProgress<TrainingProgress>
{
    /// <summary>The picture in the run's folder.</summary>
    public const string File = "losses.png";

    private bool _failed;

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        if (config.Training.SaveEvery > 0 && value.Iteration % config.Training.SaveEvery == 0) Draw();
    }

    /// <summary>Draws all that the log has.</summary>
    public void Draw()
    {
        string log = Path.Combine(config.Output, TrainingRun.LossFile);
        if (_failed || !System.IO.File.Exists(log)) return;
        try
        {
            LossPlot.Draw(log, Path.Combine(config.Output, File), title);
        }
        catch (Exception e)
        {
            _failed = true;
            error.WriteLine($"warning: {File} cannot be drawn: {ErrorMessage.OneLine(e)}");
        }
    }
}
