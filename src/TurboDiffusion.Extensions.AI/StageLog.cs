using Microsoft.Extensions.Logging;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Logs every tenth of a generation at <see cref="LogLevel.Information"/>, and the ends of stages at <see cref="LogLevel.Debug"/>.
/// </summary>
internal sealed partial class StageLog(ILogger logger) : IDisposable
{
    private GenerationProgress? _last;

    public void Report(GenerationProgress progress)
    {
        if (_last is { } last && last.Stage != progress.Stage)
            LogLeft(StageTelemetry.NameOf(last.Stage), last.Step, last.TotalSteps);
        if (_last is null || Tenth(_last.Value) != Tenth(progress))
            LogProgress(progress.Percent, progress.Elapsed.TotalSeconds, StageTelemetry.NameOf(progress.Stage));

        _last = progress;
    }

    public void Dispose()
    {
        if (_last is { } last)
            LogLeft(StageTelemetry.NameOf(last.Stage), last.Step, last.TotalSteps);
    }

    private static int Tenth(GenerationProgress progress) => progress.Percent / 10;

    [LoggerMessage(LogLevel.Information, "Generating a video: {Percent} % after {Seconds:0.0} s, {Stage}.")]
    private partial void LogProgress(int percent, double seconds, string stage);

    [LoggerMessage(LogLevel.Debug, "Left the stage {Stage} at {Step} of {TotalSteps}.")]
    private partial void LogLeft(string stage, int step, int totalSteps);
}
