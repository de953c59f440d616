using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;

namespace TurboDiffusion.Generation.Planning;

/// <summary>A request that fits where another did not.</summary>
/// <param name="Changes">What is different, in words: <c>int8 weights, 33 frames</c>.</param>
/// <param name="Clip">What it generates.</param>
/// <param name="Plan">The memory that it takes.</param>
public sealed record NearestRequest(string Changes, ClipExtent Clip, MemoryPlan Plan)
{
    // A clip of fewer frames than this is no answer to one who asked for a video.
    private const int FewestFrames = 17;

    // Sizes that are tried: each side shorter by so much.
    private const double SizeStep = 0.96;
    private const int MostSizes = 100;

    /// <summary>
    /// The requests nearest to one that does not fit: the same clip with weights of fewer bytes where that suffices; else fewer frames at
    /// its size, and its frames at a smaller size of the same shape.
    /// </summary>
    /// <param name="models">The model, and its further forms (such as int8 weights), each with what the change is called.</param>
    /// <param name="clip">What was asked for.</param>
    /// <param name="availableBytes">The memory that there is.</param>
    /// <returns>None where nothing helps.</returns>
    public static IReadOnlyList<NearestRequest> Find(
        IReadOnlyList<(string? Change, ModelFootprint Model)> models, ClipExtent clip, long availableBytes)
    {
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(clip);
        foreach ((string? change, ModelFootprint model) in models)
            if (Fitting(change, model, clip, availableBytes, "") is { } same) return [same];

        // The last form takes the least.
        (string? form, ModelFootprint least) = models[^1];
        int grid = least.Vae.SpatialFactor * WanConfig.PatchSize;
        VideoSize[] smaller =
            [.. Enumerable.Range(1, MostSizes).Select(i => Scaled(clip.Size, Math.Pow(SizeStep, i), grid)).Distinct().Except([clip.Size])];
        NearestRequest?[] nearest =
        [
            Shorter(form, least, clip, availableBytes),
            smaller.Select(size => Fitting(form, least, clip with { Size = size }, availableBytes, size.ToString()))
                .FirstOrDefault(request => request is not null),
        ];
        if (nearest.All(request => request is null))
            nearest = [smaller.Select(size => Shorter(form, least, clip with { Size = size }, availableBytes, $"{size}, "))
                .FirstOrDefault(request => request is not null)];
        return [.. nearest.OfType<NearestRequest>()];
    }

    // As many frames as fit.
    private static NearestRequest? Shorter(string? form, ModelFootprint model, ClipExtent clip, long availableBytes, string change = "")
    {
        int step = model.Vae.TemporalFactor;
        for (int frames = clip.Frames - step; frames >= FewestFrames; frames -= step)
            if (Fitting(form, model, clip with { Frames = frames }, availableBytes, $"{change}{frames} frames") is { } shorter)
                return shorter;
        return null;
    }

    /// <summary>The nearest requests as a remedy.</summary>
    /// <param name="nearest">From <see cref="Find"/>.</param>
    public static string Remedy(IReadOnlyList<NearestRequest> nearest)
    {
        ArgumentNullException.ThrowIfNull(nearest);
        return nearest.Count == 0
            ? "No smaller video fits either; choose a smaller model, or another card."
            : $"Nearest that fit: {string.Join("; or ", nearest.Select(n => $"{n.Changes} ({n.Clip})"))}.";
    }

    /// <summary>A residency as a change: what a command is to be given; null of the usual one.</summary>
    /// <param name="residency">The residency.</param>
    internal static string? Named(Residency residency) =>
        residency == Residency.Resident ? null : $"--residency {residency.ToString().ToLowerInvariant()}";

    private static NearestRequest? Fitting(string? form, ModelFootprint model, ClipExtent clip, long availableBytes, string change)
    {
        if (MemoryPlan.Choose(model, clip, availableBytes) is not { } plan) return null;
        string?[] changes = [form, Named(plan.Residency), change.Length > 0 ? change : null];
        return new NearestRequest(string.Join(", ", changes.OfType<string>()), clip, plan);
    }

    private static VideoSize Scaled(VideoSize size, double factor, int grid)
    {
        int Side(int side) => Math.Max(grid, (int)(side * factor / grid) * grid);
        return new VideoSize(Side(size.Width), Side(size.Height));
    }
}
