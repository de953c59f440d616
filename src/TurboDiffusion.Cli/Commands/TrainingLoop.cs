using TurboDiffusion.Models;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Loops;

namespace TurboDiffusion.Cli.Commands;

/// <summary>One of the training loops, as the command line calls it.</summary>
/// <param name="Template">A configuration to start from.</param>
/// <param name="Load">Reads a configuration.</param>
/// <param name="Run">Runs it.</param>
internal sealed record TrainingLoop(
    RunConfig Template, Func<string, RunConfig> Load, Action<RunConfig, IProgress<TrainingProgress>, CancellationToken> Run)
{
    private const string Latents = "data/latents";
    private const string Teacher = "models/teacher.safetensors";

    /// <summary>The loops by name, in the order in which a model goes through them.</summary>
    public static IReadOnlyDictionary<string, TrainingLoop> All { get; } = new OrderedDictionary<string, TrainingLoop>
    {
        ["vae"] = Of(new VaeTrainingConfig { Output = "runs/vae", Data = "data/clips", Width = 96 }, TrainingRun.Run),
        ["teacher"] = Of(new TeacherConfig { Output = "runs/teacher", Data = Latents, Model = ModelSpec.T2V1_3B.Transformer }, TrainingRun.Run),
        ["sla"] = Of(new SlaConfig { Output = "runs/sla", Data = Latents, Teacher = Teacher }, TrainingRun.Run),
        ["rcm"] = Of(new RcmConfig { Output = "runs/rcm", Data = Latents, Teacher = Teacher }, TrainingRun.Run),
    };

    private static TrainingLoop Of<T>(T template, Action<T, IProgress<TrainingProgress>, CancellationToken> run)
        where T : RunConfig => new(template, RunConfig.Load<T>, (config, progress, token) => run((T)config, progress, token));
}
