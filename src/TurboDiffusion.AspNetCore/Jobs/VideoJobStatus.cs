namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>Where a job stands. A job that was cancelled is gone.</summary>
public enum VideoJobStatus
{
    /// <summary>It waits for a generator.</summary>
    Queued,

    /// <summary>A generator works on it.</summary>
    InProgress,

    /// <summary>Its video is stored.</summary>
    Completed,

    /// <summary>It ended without a video; <see cref="VideoJob.Error"/> says why.</summary>
    Failed,
}
