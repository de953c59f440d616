using Microsoft.Extensions.Diagnostics.HealthChecks;
using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.AspNetCore.Telemetry;

/// <summary>Whether jobs can be taken: the store answers and a model is there.</summary>
internal sealed class VideoServiceHealthCheck(IVideoJobs jobs) : IHealthCheck
{
    /// <summary>Marks the checks that say whether the service is ready.</summary>
    public const string Tag = "ready";

    /// <inheritdoc/>
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken)
    {
        var models = await jobs.ListModelsAsync(cancellationToken).ConfigureAwait(false);
        await jobs.ListAsync("", 1, cancellationToken: cancellationToken).ConfigureAwait(false);
        return models.Count > 0 ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy("There is no model.");
    }
}
