using Microsoft.Extensions.Options;

namespace TurboDiffusion.Orleans;

/// <summary>Checks the options when the application starts.</summary>
internal sealed class VideoClusterOptionsValidator : IValidateOptions<VideoClusterOptions>
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(3);

    public ValidateOptionsResult Validate(string? name, VideoClusterOptions options)
    {
        List<string> errors = [.. Times(options).Where(time => time.Value < time.Least)
            .Select(time => $"{time.Name} is {time.Value}; it must be {time.Least} or more.")];
        if (string.IsNullOrWhiteSpace(options.Name))
            errors.Add($"{nameof(options.Name)} is empty.");
        if (options.Redis is { } redis && !RedisAddress.TryParse(redis, out _))
            errors.Add($"{nameof(options.Redis)} must have the form redis://user:password@host:port/database.");
        if (options.Redis is null && options.Role == VideoClusterRole.Worker)
            errors.Add($"{nameof(options.Role)} is {options.Role}, which needs {nameof(options.Redis)}: alone it would never get a job.");
        if (options.Address is { } address && !SiloAddressOption.TryParse(address, out _))
            errors.Add($"{nameof(options.Address)} is '{address}'; it must be an address of this machine, such as 10.0.0.7:11111.");

        return errors.Count > 0 ? ValidateOptionsResult.Fail(errors) : ValidateOptionsResult.Success;
    }

    private static IEnumerable<(string Name, TimeSpan Value, TimeSpan Least)> Times(VideoClusterOptions options) =>
    [
        (nameof(options.Lease), options.Lease, Shortest),
        (nameof(options.DeathAfter), options.DeathAfter, Shortest),
        (nameof(options.Affinity), options.Affinity, TimeSpan.Zero),
    ];
}
