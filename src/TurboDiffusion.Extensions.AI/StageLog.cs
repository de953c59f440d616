using Microsoft.Extensions.Logging;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Logs loading, in tenths, at <see cref="LogLevel.Information"/> and the other stages at <see cref="LogLevel.Debug"/>.</summary>
internal sealed partial class StageLog(ILogger logger) : IDisposable
{
    private GenerationProgress? _last;

    public void Report(GenerationProgress progress)
    {
        if (_last is { } last && last.Stage != progress.Stage)
            LogLeft(StageTelemetry.NameOf(last.Stage), last.Step, last.TotalSteps);
        if (progress.Stage == GenerationStage.Loading && Tenth(progress) != (_last is { Stage: GenerationStage.Loading } before ? Tenth(before) : -1))
            LogLoading(10 * Tenth(progress), progress.Elapsed.TotalSeconds);

        _last = progress;
    }

    public void Dispose()
    {
        if (_last is { } last)
            LogLeft(StageTelemetry.NameOf(last.Stage), last.Step, last.TotalSteps);
    }

    private static int Tenth(GenerationProgress progress) =>
        progress.TotalSteps == 0 ? 0 : (int)(10L * progress.Step / progress.TotalSteps);

    [LoggerMessage(LogLevel.Information, "Loading weights: {Percent} % after {Seconds:0.0} s.")]
    private partial void LogLoading(int percent, double seconds);

    [LoggerMessage(LogLevel.Debug, "Left the stage {Stage} at {Step} of {TotalSteps}.")]
    private partial void LogLeft(string stage, int step, int totalSteps);
}
