using System.Globalization;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Training.Loops;

/// <summary>
/// The losses of a run as CSV, one line per loss and iteration:
/// <c>iteration,model,loss,value,gradient_norm,learning_rate,skipped</c>. A resumed run drops the lines past its saved state.
/// </summary>
public sealed class LossLog : IProgress<TrainingProgress>, IDisposable
{
    private const string Header = "iteration,model,loss,value,gradient_norm,learning_rate,skipped";

    private const int MaxBytes = 1 << 30;

    private readonly string _path;
    private readonly StreamWriter _writer;

    /// <summary>Opens the log of a run.</summary>
    /// <param name="path">The file; made if it does not exist.</param>
    /// <param name="iteration">Iterations finished so far: later lines are of a run that was stopped without saving.</param>
    public LossLog(string path, int iteration)
    {
        _path = path;
        try
        {
            IEnumerable<string> kept = File.Exists(path)
                ? InputFile.ReadText(path, MaxBytes).Split('\n').Where(line => IterationOf(line) <= iteration) : [];
            AtomicFile.WriteText(path, string.Concat(kept.Prepend(Header).Select(line => line.TrimEnd('\r') + "\n")));
            _writer = new StreamWriter(path, append: true) { AutoFlush = true };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Bad(e);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="EnvironmentException">The disk does not take it.</exception>
    public void Report(TrainingProgress value)
    {
        try
        {
            foreach ((string loss, double mean) in value.Losses)
                _writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{value.Iteration},{value.Model},{loss},{mean:R},{value.GradientNorm:R},"
                    + $"{value.LearningRate:R},{(value.Skipped ? 1 : 0)}"));
        }
        catch (IOException e)
        {
            throw Bad(e);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            _writer.Dispose();
        }
        catch (IOException)
        {
            // Every line was flushed, or was told to be lost.
        }
    }

    private EnvironmentException Bad(Exception e) => new("disk", $"The losses {_path} cannot be written: {e.Message}", e);

    // The header, and a line cut off by a crash, have none.
    private static int IterationOf(string line) =>
        line.Count(c => c == ',') == 6 && int.TryParse(line.AsSpan(0, line.IndexOf(',')), CultureInfo.InvariantCulture, out int iteration)
            ? iteration
            : int.MaxValue;
}
