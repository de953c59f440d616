using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.Orleans.Grains;

/// <summary>What is stored of a job.</summary>
internal sealed record VideoJobState
{
    /// <summary>The job, without its progress.</summary>
    public VideoJob? Job { get; init; }

    /// <summary>Names the last run, so that a worker that asks twice gets the same.</summary>
    public string? Run { get; init; }

    /// <summary>Runs whose worker was silent for too long.</summary>
    public int Interruptions { get; init; }

    /// <summary>It was deleted while it ran: it goes when its worker has stopped.</summary>
    public bool IsDeleted { get; init; }
}
