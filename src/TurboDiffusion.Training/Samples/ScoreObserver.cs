using System.Diagnostics;
using System.Globalization;
using TurboDiffusion.Evaluation;
using TurboDiffusion.Training.Loops;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Samples;

/// <summary>
/// Scores a model in training on held-out scenes (the average of its weights, where one is kept), writes <see cref="File"/>, and keeps the
/// best state as <see cref="BestFile"/>, its text encoder beside it where one is trained along.
/// </summary>
public sealed class ScoreObserver : ITrainingObserver
{
    /// <summary>The scores in a run's folder: lines of <see cref="ScoreLine"/>.</summary>
    public const string File = "scores.csv";

    /// <summary>The best state's model in a run's folder.</summary>
    public const string BestFile = "best.safetensors";

    /// <summary>Its text encoder, where one is trained along.</summary>
    public const string BestTextEncoderFile = "best_text_encoder.safetensors";

    private readonly IReadOnlyList<TrainedModel> _models;
    private readonly ScoreOptions _options;
    private readonly Func<IReadOnlyList<EvaluationPrompt>, CancellationToken, byte[][]> _generate;
    private readonly HeldOutClips _clips;
    private readonly string _folder;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private (int Iteration, double Share) _best = (0, -1);
    // Seconds of the parts of the run before this one.
    private double _before;

    /// <summary>Prepares the scenes.</summary>
    /// <param name="models">The model in training, and its text encoder where it is trained along.</param>
    /// <param name="options">How many scenes, and when.</param>
    /// <param name="generate">Makes clips of scenes with the models as they are.</param>
    /// <param name="runFolder">The run's folder.</param>
    /// <exception cref="InvalidRequestException">A number is out of range.</exception>
    public ScoreObserver(
        IReadOnlyList<TrainedModel> models, ScoreOptions options,
        Func<HeldOutClips, Func<IReadOnlyList<EvaluationPrompt>, CancellationToken, byte[][]>> generate, string runFolder)
    {
        if (options.Every < 1 || options.Prompts < 0 || options.TwoObjectPrompts < 0 || options.Prompts + options.TwoObjectPrompts < 1
            || options.Batch < 1)
            throw new InvalidRequestException("scores",
                $"Scores are of {options.Prompts} and {options.TwoObjectPrompts} scenes, {options.Batch} at a time, every {options.Every} "
                    + "iterations; give at least one scene, one at a time, and one iteration.");
        (_models, _options, _folder) = (models, options, runFolder);
        _clips = new HeldOutClips(options.Prompts, options.TwoObjectPrompts, options.Seed,
            new ClipSize(options.Width, options.Height, options.Frames, 8));
        _generate = generate(_clips);
        // Also of iterations that come again: their best state is kept.
        foreach (ScoreLine line in ScoreLine.Read(Path.Combine(runFolder, File)))
            if (line.Scores.All > _best.Share) _best = (line.Iteration, line.Scores.All);
    }

    /// <inheritdoc/>
    public void Begin(int iteration, CancellationToken cancellationToken)
    {
        ScoreLine? last = ScoreLine.Keep(Path.Combine(_folder, File), iteration).LastOrDefault();
        _before = last?.Seconds ?? 0;
        if (last?.Iteration != iteration) Score(iteration, cancellationToken);
    }

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
        ScoreLine.Append(Path.Combine(_folder, File), new ScoreLine(iteration, _before + _clock.Elapsed.TotalSeconds, scores));
        if (_options.Fall > 0 && _best.Share - scores.All >= _options.Fall)
            throw new InvalidRequestException("scores", string.Create(CultureInfo.InvariantCulture,
                $"The training is stopped: {scores.All:P0} of {scores.Clips} clips are right after iteration {iteration}, and it was "
                    + $"{_best.Share:P0} after iteration {_best.Iteration}. That state is {Path.Combine(_folder, BestFile)}. Train from "
                    + $"there with a lower learning rate, or with fall at 0 to go on whatever the score."));
        if (scores.All <= _best.Share) return;
        _best = (iteration, scores.All);
        var metadata = new Dictionary<string, string> { ["iterations"] = iteration.ToString(CultureInfo.InvariantCulture) };
        foreach ((TrainedModel model, string file) in _models.Zip([BestFile, BestTextEncoderFile]))
            model.Export(Path.Combine(_folder, file), metadata);
    }
}
