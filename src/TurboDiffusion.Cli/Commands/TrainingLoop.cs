using TurboDiffusion.Models;
using TurboDiffusion.Training.Configuration;

namespace TurboDiffusion.Cli.Commands;

/// <summary>One of the training loops, as the command line calls it.</summary>
/// <param name="Template">A configuration to start from.</param>
/// <param name="Load">Reads a configuration.</param>
internal sealed record TrainingLoop(RunConfig Template, Func<string, RunConfig> Load)
{
    private const string Latents = "data/latents";
    private const string Teacher = "models/teacher.safetensors";

    /// <summary>The loops by name, in the order in which a model goes through them.</summary>
    public static IReadOnlyDictionary<string, TrainingLoop> All { get; } = new OrderedDictionary<string, TrainingLoop>
    {
        ["vae"] = Of(new VaeTrainingConfig { Output = "runs/vae", Data = "data/clips", Width = 96 }),
        ["teacher"] = Of(new TeacherConfig { Output = "runs/teacher", Data = Latents, Model = ModelSpec.T2V1_3B.Transformer }),
        ["sla"] = Of(new SlaConfig { Output = "runs/sla", Data = Latents, Teacher = Teacher }),
        ["rcm"] = Of(new RcmConfig { Output = "runs/rcm", Data = Latents, Teacher = Teacher }),
    };

    private static TrainingLoop Of<T>(T template)
        where T : RunConfig => new(template, RunConfig.Load<T>);
}
