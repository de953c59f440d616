using System.Globalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Training.Loops;

namespace TurboDiffusion.Training.Configuration;

/// <summary>
/// A whole training run from its configuration: models, data, loop, and in the output folder the saved state, the
/// configuration, the losses and the trained model. A run continues where the folder's state ends.
/// </summary>
public static class TrainingRun
{
    /// <summary>The trained model in the output folder: the weight average, where one is kept.</summary>
    public const string ModelFile = "model.safetensors";

    /// <summary>The trained LoRA in the output folder, in place of a model.</summary>
    public const string LoraFile = "lora.safetensors";

    /// <summary>The trained text encoder in the output folder, where one was trained along.</summary>
    public const string TextEncoderFile = "text_encoder.safetensors";

    /// <summary>The losses in the output folder: <see cref="LossLog"/>.</summary>
    public const string LossFile = "losses.csv";

    /// <summary>The configuration in the output folder.</summary>
    public const string ConfigFile = "config.json";

    /// <summary>Trains what a configuration describes: its kind says what.</summary>
    /// <param name="config">The run.</param>
    /// <param name="progress">Told after every iteration.</param>
    /// <param name="cancellationToken">Saves the state and stops.</param>
    /// <exception cref="TurboDiffusionException">The configuration, the data, a checkpoint or the output folder cannot be used.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    public static void Run(RunConfig config, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        if (config.Output.Length == 0) throw new InvalidRequestException("output", "The output is empty; name a folder for the results.");
        using var parts = new TrainingParts(config, cancellationToken);
        Trainer trainer = Train(config, parts, progress, cancellationToken);
        var metadata = new Dictionary<string, string>
        {
            ["training"] = parts.Task.Name,
            ["iterations"] = trainer.Iteration.ToString(CultureInfo.InvariantCulture),
            ["seed"] = config.Training.Seed.ToString(CultureInfo.InvariantCulture),
        };
        parts.Result.Export(Path.Combine(config.Output, config.ResultFile), metadata);
        parts.TextEncoder?.Export(Path.Combine(config.Output, TextEncoderFile));
    }

    private static Trainer Train(
        RunConfig config, TrainingParts parts, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        try
        {
            var trainer = new Trainer(parts.Task, config.Training, config.Output, parts.Observers);
            AtomicFile.WriteText(Path.Combine(config.Output, ConfigFile), config.ToJson());
            using var log = new LossLog(Path.Combine(config.Output, LossFile), trainer.Iteration);
            trainer.Run(new Both(log, progress), cancellationToken);
            return trainer;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("output", $"{config.Output} cannot be written: {e.Message}", e);
        }
    }

    private sealed class Both(IProgress<TrainingProgress> first, IProgress<TrainingProgress>? second) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            first.Report(value);
            second?.Report(value);
        }
    }
}
