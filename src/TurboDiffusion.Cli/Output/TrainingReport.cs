using System.Globalization;
using TurboDiffusion.Training.Loops;

namespace TurboDiffusion.Cli.Output;

/// <summary>The progress of a training in one line: losses, smoothed over the last iterations, gradient, rate, speed.</summary>
/// <param name="display">Shows it.</param>
/// <param name="stage">What is being trained.</param>
/// <param name="next">Told as well.</param>
internal sealed class TrainingReport(IProgress<ProgressState> display, string stage, IProgress<TrainingProgress> next)
    : IProgress<TrainingProgress>
{
    // Losses are averages over about so many iterations, the speed over about so much time.
    private const double SmoothedIterations = 50;
    private static readonly TimeSpan SpeedWindow = TimeSpan.FromSeconds(20);

    private readonly Dictionary<string, (double Mean, int Count)> _losses = [];
    private readonly Queue<(int Iteration, TimeSpan Elapsed)> _marks = [];
    private int _skipped;

    /// <summary>The last iteration; null before the first.</summary>
    public TrainingProgress? Last { get; private set; }

    /// <summary>What the run has come to, in one line.</summary>
    public string Summary => $"{Last!.Iteration} iterations, {Losses}{Skipped}";

    private string Losses => string.Join(", ",
        _losses.Select(l => string.Create(CultureInfo.InvariantCulture, $"{l.Key} {l.Value.Mean:G4}")));

    private string Skipped => _skipped == 0 ? "" : $", {_skipped} updates left out (gradient not finite)";

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        Last = value;
        if (value.Skipped) _skipped++;
        foreach ((string name, double loss) in value.Losses.Where(l => double.IsFinite(l.Value)))
        {
            (double mean, int count) = _losses.GetValueOrDefault(name);
            // The plain mean at first, a running one then.
            _losses[name] = (mean + (loss - mean) / Math.Min(count + 1, SmoothedIterations), count + 1);
        }
        string detail = string.Create(CultureInfo.InvariantCulture,
            $"{Losses}, gradient {value.GradientNorm:G3}, rate {value.LearningRate:G3}, {Speed(value)}{Skipped}");
        display.Report(new ProgressState(stage, value.Iteration, value.TotalIterations, "iterations", value.Remaining, detail));
        next.Report(value);
    }

    private string Speed(TrainingProgress now)
    {
        _marks.Enqueue((now.Iteration, now.Elapsed));
        while (_marks.Count > 2 && now.Elapsed - _marks.Peek().Elapsed > SpeedWindow) _marks.Dequeue();
        (int iteration, TimeSpan elapsed) = _marks.Peek();
        double perSecond = now.Iteration == iteration
            ? 1 / now.Elapsed.TotalSeconds : (now.Iteration - iteration) / (now.Elapsed - elapsed).TotalSeconds;
        return perSecond >= 1
            ? string.Create(CultureInfo.InvariantCulture, $"{perSecond:0.0} it/s")
            : string.Create(CultureInfo.InvariantCulture, $"{1 / perSecond:0.0} s/it");
    }
}
