using Microsoft.Extensions.Options;

namespace TurboDiffusion.AspNetCore;

/// <summary>Checks the options when the application starts.</summary>
internal sealed class VideoServiceOptionsValidator : IValidateOptions<VideoServiceOptions>
{
    private const int HashLength = 64;

    public ValidateOptionsResult Validate(string? name, VideoServiceOptions options)
    {
        List<string> errors = [.. Numbers(options).Where(number => number.Value < number.Least)
            .Select(number => $"{number.Name} is {number.Value}; it must be {number.Least} or more.")];
        if (options.Retention <= TimeSpan.Zero)
            errors.Add($"{nameof(options.Retention)} is {options.Retention}; it must be above 0.");

        errors.AddRange(options.ApiKeys.Where(key => key.Value.Length != HashLength || !key.Value.All(char.IsAsciiHexDigit))
            .Select(key =>
                $"{nameof(options.ApiKeys)}: that of '{key.Key}' is not the SHA-256 of a key in {HashLength} hexadecimal digits."));
        errors.AddRange(options.ModelAliases.Where(alias => options.Models.Count > 0 && !options.Models.Contains(alias.Value))
            .Select(alias => $"{nameof(options.ModelAliases)}: '{alias.Key}' stands for '{alias.Value}', which is none of "
                + $"{string.Join(", ", options.Models)}."));
        return errors.Count > 0 ? ValidateOptionsResult.Fail(errors) : ValidateOptionsResult.Success;
    }

    private static IEnumerable<(string Name, long Value, long Least)> Numbers(VideoServiceOptions options) =>
    [
        (nameof(options.Workers), options.Workers, 1),
        (nameof(options.MaxQueuedJobs), options.MaxQueuedJobs, 1),
        (nameof(options.MaxJobsPerKey), options.MaxJobsPerKey, 1),
        (nameof(options.MaxRequestsPerMinute), options.MaxRequestsPerMinute, 1),
        (nameof(options.MaxAttempts), options.MaxAttempts, 1),
        (nameof(options.MaxStoredBytes), options.MaxStoredBytes, 0),
        (nameof(options.MaxPromptLength), options.MaxPromptLength, 1),
        (nameof(options.MaxImageBytes), options.MaxImageBytes, 0),
        (nameof(options.MaxImagePixels), options.MaxImagePixels, 0),
        (nameof(options.MaxFramePixels), options.MaxFramePixels, 1),
        (nameof(options.MaxFrames), options.MaxFrames, 1),
        (nameof(options.MaxSteps), options.MaxSteps, 1),
        (nameof(options.Previews), options.Previews, 0),
    ];
}
