using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>One generation.</summary>
/// <param name="Writer">Where its frames went.</param>
/// <param name="Seconds">From the request to the end.</param>
/// <param name="FrameSeconds">From the start of decoding to the last frame in host memory, whoever takes it then.</param>
/// <param name="Stages">Seconds of its stages; that of decoding ends when the last frame is written.</param>
internal sealed record EndToEndRun(string Writer, double Seconds, double FrameSeconds, IReadOnlyDictionary<GenerationStage, double> Stages)
{
    /// <summary>Seconds of a stage; 0 where it had none.</summary>
    public double Of(GenerationStage stage) => Stages.GetValueOrDefault(stage);
}
