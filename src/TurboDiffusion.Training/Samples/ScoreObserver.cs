using System.Diagnostics;
using System.Globalization;
using TurboDiffusion.Evaluation;
using TurboDiffusion.Runtime;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Loops;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Samples;

/// <summary>
/// Scores a model in training on held-out scenes (the average of its weights, where one is kept), writes <see cref="File"/>, and keeps the best state as
/// <see cref="BestFile"/>.
/// </summary>
public sealed class ScoreObserver : ITrainingObserver
{
    /// <summary>The scores in a run's folder, one line each: <c>iteration,seconds,clips,shape,color,background,motion,all</c>.</summary>
    public const string File = "scores.csv";

    /// <summary>The best state's model in a run's folder.</summary>
    public const string BestFile = "best.safetensors";

    private const string Header = "iteration,seconds,clips,shape,color,background,motion,all";

    private readonly IReadOnlyList<TrainedModel> _models;
    private readonly ScoreOptions _options;
    private readonly Func<IReadOnlyList<EvaluationPrompt>, CancellationToken, byte[][]> _generate;
    private readonly HeldOutClips _clips;
    private readonly string _folder;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private double _best = -1;

    /// <summary>Prepares the scenes.</summary>
    /// <param name="models">The model in training, and its text encoder where it is trained along.</param>
    /// <param name="options">How many scenes, and when.</param>
    /// <param name="generate">Makes clips of scenes with the models as they are.</param>
    /// <param name="runFolder">The run's folder.</param>
    /// <exception cref="InvalidRequestException">A number is out of range.</exception>
    public ScoreObserver(
        IReadOnlyList<TrainedModel> models, ScoreOptions options, Func<HeldOutClips, Func<IReadOnlyList<EvaluationPrompt>, CancellationToken, byte[][]>> generate, string runFolder)
    {
        if (options.Every < 1 || options.Prompts < 0 || options.TwoObjectPrompts < 0 || options.Prompts + options.TwoObjectPrompts < 1 || options.Batch < 1)
            throw new InvalidRequestException("scores",
                $"Scores are of {options.Prompts} and {options.TwoObjectPrompts} scenes, {options.Batch} at a time, every {options.Every} iterations; give at least one scene, one at a time, and one iteration.");
        (_models, _options, _folder) = (models, options, runFolder);
        _clips = new HeldOutClips(options.Prompts, options.TwoObjectPrompts, options.Seed, new ClipSize(options.Width, options.Height, options.Frames, 8));
        _generate = generate(_clips);
    }

    /// <inheritdoc/>
    public void Begin(int iteration, CancellationToken cancellationToken) => Score(iteration, cancellationToken);

    /// <inheritdoc/>
    public void Observe(TrainingProgress done, CancellationToken cancellationToken)
    {
        if (done.Iteration % _options.Every == 0 || done.Iteration == done.TotalIterations) Score(done.Iteration, cancellationToken);
    }

    private void Score(int iteration, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        IDisposable[] averages = [.. _models.Select(m => m.UseAverages())];
        AttributeScores scores;
        try
        {
            scores = _clips.Score(prompts => _generate(prompts, cancellationToken), _options.Batch, cancellationToken);
        }
        finally
        {
            foreach (IDisposable average in averages) average.Dispose();
        }
        string path = Path.Combine(_folder, File);
        if (!System.IO.File.Exists(path)) AtomicFile.WriteText(path, Header + "\n");
        System.IO.File.AppendAllText(path, string.Create(CultureInfo.InvariantCulture,
            $"{iteration},{_clock.Elapsed.TotalSeconds:0},{scores.Clips},{scores.Shape:0.####},{scores.Color:0.####},{scores.Background:0.####},{scores.Motion:0.####},{scores.All:0.####}\n"));
        if (scores.All <= _best) return;
        _best = scores.All;
        _models[0].Export(Path.Combine(_folder, BestFile));
    }
}
