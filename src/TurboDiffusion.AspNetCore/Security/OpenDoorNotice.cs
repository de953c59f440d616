using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace TurboDiffusion.AspNetCore.Security;

/// <summary>Says, when the application starts, whom a service without keys answers.</summary>
internal sealed partial class OpenDoorNotice(IOptions<VideoServiceOptions> options, ILogger<OpenDoorNotice> logger) : IHostedService
{
    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (options.Value.ApiKeys.Count == 0)
            LogNoKeys();

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(LogLevel.Warning,
        "There are no API keys: programs on this machine alone are answered, without a key. Set VideoService:ApiKeys to let others in.")]
    private partial void LogNoKeys();
}
