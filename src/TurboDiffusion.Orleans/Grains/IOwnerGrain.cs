using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.Orleans.Grains;

/// <summary>
/// The jobs of one owner: their list, in the order in which they were accepted, how many may be open, which idempotency keys are
/// used, and which jobs are old enough to go.
/// </summary>
internal interface IOwnerGrain : IGrainWithStringKey
{
    /// <summary>Accepts a job: it is listed, stored and queued when the call returns. The same job may be submitted again.</summary>
    Task<SubmissionResult> SubmitAsync(VideoJob job);

    /// <summary>Lists jobs.</summary>
    Task<OwnerPage> ListAsync(int limit, string? after, bool ascending);

    /// <summary>A job has ended.</summary>
    Task EndedAsync(string id, DateTimeOffset expiresAt, long bytes);

    /// <summary>A job is gone.</summary>
    Task RemoveAsync(string id);
}
