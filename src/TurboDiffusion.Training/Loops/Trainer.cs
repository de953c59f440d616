using System.Diagnostics;
using TorchSharp.Modules;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Optimization;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Loops;

/// <summary>
/// The training loop: every task runs through it. Deterministic on one device: a seed gives the same losses, and a run
/// that was stopped and resumed is bit for bit the run that was not.
/// </summary>
public sealed class Trainer
{
    /// <summary>The file of the saved state within a run's folder.</summary>
    public const string StateFile = "state.safetensors";

    // A single overflow is survivable; a row of them means that the weights are lost.
    private const int MaxSkippedInARow = 10;

    private readonly ITrainingTask _task;
    private readonly TrainingOptions _options;
    private readonly string _statePath;
    private readonly IReadOnlyList<ITrainingObserver> _observers;

    /// <summary>Creates a trainer; continues from the folder's saved state if there is one.</summary>
    /// <param name="task">What to train.</param>
    /// <param name="options">How.</param>
    /// <param name="folder">Where the state is saved; made if it does not exist.</param>
    /// <param name="observers">Look at the models after every iteration.</param>
    /// <exception cref="CheckpointException">The saved state is of another configuration.</exception>
    /// <exception cref="InvalidRequestException">An option is out of range.</exception>
    public Trainer(ITrainingTask task, TrainingOptions options, string folder, params IReadOnlyList<ITrainingObserver> observers)
    {
        if (options.Iterations < 0 || options.Accumulation < 1 || options.BatchSize < 1)
            throw new InvalidRequestException("training",
                $"Iterations is {options.Iterations}, accumulation {options.Accumulation}, batch size {options.BatchSize}; iterations "
                    + "must not be negative, the others at least 1.");
        _task = task;
        _options = options;
        _observers = observers;
        _statePath = Path.Combine(Directory.CreateDirectory(folder).FullName, StateFile);
        if (File.Exists(_statePath)) Iteration = TrainingState.Load(_statePath, task, options.Seed);
    }

    /// <summary>Iterations finished, those before a resume included.</summary>
    public int Iteration { get; private set; }

    /// <summary>Trains up to <see cref="TrainingOptions.Iterations"/>, saving on the way, at the end and on cancellation.</summary>
    /// <param name="progress">Told after every iteration.</param>
    /// <param name="cancellationToken">Checked before every loss. The iteration in progress is given up and redone on resume.</param>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    /// <exception cref="InvalidRequestException">The training diverged.</exception>
    public void Run(IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var clock = Stopwatch.StartNew();
        var streams = new RandomStreams(_options.Seed, _task.Models[0].Parameters.Values.First().device);
        int first = Iteration, skipped = 0;
        if (Iteration < _options.Iterations)
            foreach (ITrainingObserver observer in _observers) observer.Begin(Iteration, cancellationToken);
        while (Iteration < _options.Iterations)
        {
            TrainingProgress done;
            try
            {
                done = Iterate(streams, clock, first, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                Save();
                throw;
            }
            Iteration++;
            skipped = done.Skipped ? skipped + 1 : 0;
            if (skipped == MaxSkippedInARow)
                throw new InvalidRequestException("learningRate",
                    $"The training diverged: gradients were not finite in {skipped} iterations in a row, up to {Iteration}. Resume from "
                        + "an earlier state with a lower learning rate, or clip gradients.");
            if (_options.SaveEvery > 0 && Iteration % _options.SaveEvery == 0 && Iteration < _options.Iterations && skipped == 0) Save();
            Observe(done, progress, cancellationToken);
        }
        if (Iteration > first) Save();
    }

    // What goes wrong in looking must not cost the training.
    private void Observe(TrainingProgress done, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        try
        {
            progress?.Report(done);
            foreach (ITrainingObserver observer in _observers) observer.Observe(done, cancellationToken);
        }
        catch
        {
            Save();
            throw;
        }
    }

    private TrainingProgress Iterate(RandomStreams streams, Stopwatch clock, int first, CancellationToken cancellationToken)
    {
        IReadOnlyList<TrainedModel> models = _task.ModelsOf(Iteration);
        var losses = new Dictionary<string, double>();
        foreach (TrainedModel model in models) model.ClearGradients();
        IRandomSource random = streams.Of(Iteration);
        for (int batch = 0; batch < _options.Accumulation; batch++)
        {
            using var scope = NewDisposeScope();
            foreach (LossTerm term in _task.Losses(Iteration, random))
            {
                cancellationToken.ThrowIfCancellationRequested();
                double loss = BackPropagate(term);
                losses[term.Name] = losses.GetValueOrDefault(term.Name) + loss;
            }
        }

        Parameter[] parameters = [.. models.SelectMany(m => m.Parameters.Values)];
        double norm = GradientNorm.Of(parameters), rate = 0;
        bool skip = !double.IsFinite(norm);
        if (!skip) GradientNorm.Clip(parameters, norm, _options.GradientClip);
        foreach (TrainedModel model in models)
        {
            double factor = _options.Schedule.Factor(model.Optimizer.Updates);
            rate = factor * model.Optimizer.LearningRate;
            if (!skip)
            {
                model.Optimizer.Step(factor);
                model.Ema?.Update(model.Optimizer.Updates);
            }
            model.ClearGradients();
        }
        TimeSpan elapsed = clock.Elapsed;
        int finished = Iteration + 1;
        return new TrainingProgress(finished, _options.Iterations, models[0].Name, losses, norm, rate,
            skip, elapsed, elapsed / (finished - first) * (_options.Iterations - finished));
    }

    private double BackPropagate(LossTerm term)
    {
        using var scope = NewDisposeScope();
        LossResult result = term.Compute();
        Tensor mean = result.PerSample.mean() / _options.Accumulation;
        ActivationCheckpoint.Backward(mean);
        return mean.to_type(ScalarType.Float64).item<double>();
    }

    private void Save() => TrainingState.Save(_statePath, _task, _options.Seed, Iteration);
}
