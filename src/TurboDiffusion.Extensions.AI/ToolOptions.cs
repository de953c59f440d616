namespace TurboDiffusion.Extensions.AI;

/// <summary>Turns what a model asked for into options, and says which errors it is told.</summary>
internal static class ToolOptions
{
    // Longer than any model generates: the generator picks the nearest length that it supports.
    private const double LongestSeconds = 3600;

    public static (VideoGenerationOptions? Options, string? Error) Create(
        VideoGenerationOptions? defaults, string? aspectRatio, double? durationSeconds, long? seed)
    {
        if (durationSeconds is { } seconds && !(seconds is > 0 and <= LongestSeconds))
            return (null, $"The length of {seconds} seconds cannot be generated; ask for a few seconds.");

        var options = defaults?.Clone() ?? new VideoGenerationOptions();
        if (!string.IsNullOrWhiteSpace(aspectRatio))
        {
            options.AspectRatio = aspectRatio;
            options.VideoSize = null;
        }

        options.Duration = durationSeconds is null ? options.Duration : TimeSpan.FromSeconds(durationSeconds.Value);
        options.Seed = seed ?? options.Seed;
        return (options, null);
    }

    /// <summary>What is wrong with a prompt, for the model that wrote it; null for nothing.</summary>
    public static string? PromptError(string? prompt, int maxLength) =>
        string.IsNullOrWhiteSpace(prompt) ? "The prompt is empty; describe the video."
        : prompt.Length > maxLength ? $"The prompt has {prompt.Length} characters; at most {maxLength} are accepted."
        : null;

    /// <summary>Whether the message helps the one who asked. Everything else is the application's affair.</summary>
    public static bool IsForTheUser(Exception exception) =>
        exception is TurboDiffusionException or VideoGeneratorQueueFullException;
}
