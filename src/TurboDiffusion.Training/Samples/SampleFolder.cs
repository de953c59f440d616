using System.Globalization;
using TurboDiffusion.Training.Loops;

namespace TurboDiffusion.Training.Samples;

/// <summary>When samples of a run are made, and where they go.</summary>
internal sealed class SampleFolder
{
    /// <summary>The folder within a run's.</summary>
    public const string Name = "samples";

    private readonly string _folder;
    private readonly int _every;

    /// <summary>Creates the folder.</summary>
    /// <param name="run">The run's folder.</param>
    /// <param name="every">Iterations from one set of samples to the next.</param>
    /// <exception cref="InvalidRequestException">The number is not positive.</exception>
    public SampleFolder(string run, int every)
    {
        if (every < 1)
            throw new InvalidRequestException("samples",
                $"Samples are to be made every {every} iterations; give at least 1, or leave the samples out.");
        _every = every;
        _folder = Path.Combine(run, Name);
        try
        {
            Directory.CreateDirectory(_folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("output", $"{_folder} cannot be made: {e.Message}", e);
        }
    }

    /// <summary>Whether samples are due after an iteration: now and then, and at the end.</summary>
    public bool IsDue(TrainingProgress done) => done.Iteration % _every == 0 || done.Iteration == done.TotalIterations;

    /// <summary>The path of a file after an iteration, such as <c>samples/000500.png</c>.</summary>
    public string PathOf(TrainingProgress done, string ending) =>
        Path.Combine(_folder, done.Iteration.ToString("000000", CultureInfo.InvariantCulture) + ending);
}
