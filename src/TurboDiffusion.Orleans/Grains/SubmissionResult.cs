using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.Orleans.Grains;

/// <summary>What became of a submission: a job, the new one or an earlier one with the same idempotency key, or a refusal.</summary>
/// <param name="Job">The job.</param>
/// <param name="Refusal">Why there is none.</param>
internal sealed record SubmissionResult(VideoJob? Job, VideoJobRefusal? Refusal = null);
