using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Tells whether the generator can be expected to work: unhealthy where the last generation failed by no fault of its
/// request, and where the program has no libtorch. It loads no model and generates nothing.
/// </summary>
/// <param name="generator">A <see cref="TurboDiffusionVideoGenerator"/>, with or without decorators.</param>
public sealed class TurboDiffusionHealthCheck(IVideoGenerator generator) : IHealthCheck
{
    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var (model, identity, waiting, error) = generator.GetRequiredService<TurboDiffusionVideoGenerator>().State;
        var data = new Dictionary<string, object>
        {
            ["model"] = identity ?? model ?? "unknown", ["loaded"] = identity is not null, ["waiting"] = waiting,
        };
        return Task.FromResult(error is null
            ? HealthCheckResult.Healthy(identity is null ? "The model is loaded at the first request." : "The model is loaded.", data)
            : HealthCheckResult.Unhealthy(error.Message, error, data));
    }
}
