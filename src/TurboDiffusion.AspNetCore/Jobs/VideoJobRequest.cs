namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>
/// What a job is to generate. It is complete: running it again, on this machine or another, gives the same video.
/// </summary>
public sealed record VideoJobRequest
{
    /// <summary>A description of the video.</summary>
    public required string Prompt { get; init; }

    /// <summary>A description of what the video shall not show.</summary>
    public string? NegativePrompt { get; init; }

    /// <summary>
    /// The model, by a name of <see cref="IVideoJobs.ListModelsAsync"/>; <see langword="null"/> until the job is accepted: the default.
    /// </summary>
    public string? Model { get; init; }

    /// <summary>Columns of pixels, together with <see cref="Height"/>.</summary>
    public int? Width { get; init; }

    /// <summary>Rows of pixels, together with <see cref="Width"/>.</summary>
    public int? Height { get; init; }

    /// <summary>Width to height, such as <c>16:9</c>, where no size is given.</summary>
    public string? AspectRatio { get; init; }

    /// <summary>How long the video plays; the nearest length that the model supports is used.</summary>
    public double? Seconds { get; init; }

    /// <summary>Frames, where no length is given.</summary>
    public int? Frames { get; init; }

    /// <summary>Frames per second of playback, such as 16 or 23.976.</summary>
    public double? FramesPerSecond { get; init; }

    /// <summary>Denoising steps.</summary>
    public int? Steps { get; init; }

    /// <summary>Classifier-free guidance; 1 is none.</summary>
    public double? GuidanceScale { get; init; }

    /// <summary>The seed; <see langword="null"/> until the job is accepted: a random one.</summary>
    public long? Seed { get; init; }

    /// <summary>The name of the start image among the job's files, or <see langword="null"/>.</summary>
    public string? StartImage { get; init; }

    /// <summary>The name of the image that the video ends with among the job's files, or <see langword="null"/>.</summary>
    public string? EndImage { get; init; }
}
