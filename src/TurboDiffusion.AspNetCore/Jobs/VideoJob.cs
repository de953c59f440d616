using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>A video that somebody asked for, from its acceptance until it is deleted.</summary>
public sealed record VideoJob
{
    /// <summary>Names the job; it cannot be guessed (<see cref="VideoJobId"/>).</summary>
    public required string Id { get; init; }

    /// <summary>Whose job it is: the name of an API key. Nobody else sees it.</summary>
    public required string Owner { get; init; }

    /// <summary>What to generate.</summary>
    public required VideoJobRequest Request { get; init; }

    /// <summary>Where it stands.</summary>
    public VideoJobStatus Status { get; init; }

    /// <summary>When it was accepted.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its last run began.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it ended, with or without a video.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>When it is deleted; known once it has ended.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Runs begun; more than one where a process died in the middle of one.</summary>
    public int Attempts { get; init; }

    /// <summary>The job whose video this one varies.</summary>
    public string? RemixedFrom { get; init; }

    /// <summary>The key by which the client knows a repeated request, once for each owner.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>
    /// What the model does not take from the prompt (<see cref="VideoInfo.Note"/>): known when the job is accepted where the model is in
    /// the process that accepts it, elsewhere with the video.
    /// </summary>
    public string? Note { get; init; }

    /// <summary>The video, once it is there.</summary>
    public StoredVideo? Video { get; init; }

    /// <summary>Why there is no video.</summary>
    public VideoJobError? Error { get; init; }

    /// <summary>How far the run has come; not stored, since it is true of this moment alone.</summary>
    public VideoJobProgress? Progress { get; init; }

    /// <summary>Whether it has ended.</summary>
    public bool HasEnded => Status is VideoJobStatus.Completed or VideoJobStatus.Failed;

    /// <summary>The job with its video.</summary>
    /// <param name="video">What is stored.</param>
    /// <param name="now">When.</param>
    /// <param name="retention">How long it is kept.</param>
    public VideoJob Completed(StoredVideo video, DateTimeOffset now, TimeSpan retention)
    {
        ArgumentNullException.ThrowIfNull(video);
        return this with
        {
            Status = VideoJobStatus.Completed,
            Video = video,
            Note = video.Info is { } info ? info.Note : Note,
            CompletedAt = now,
            ExpiresAt = now + retention,
            Progress = null,
        };
    }

    /// <summary>The job without a video.</summary>
    /// <param name="error">Why.</param>
    /// <param name="now">When.</param>
    /// <param name="retention">How long it is kept.</param>
    public VideoJob Failed(VideoJobError error, DateTimeOffset now, TimeSpan retention) =>
        this with { Status = VideoJobStatus.Failed, Error = error, CompletedAt = now, ExpiresAt = now + retention, Progress = null };
}
