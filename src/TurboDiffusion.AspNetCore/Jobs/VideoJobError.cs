namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>Why a job has no video.</summary>
/// <param name="Code">For programs: <c>invalid_request</c>, <c>server_error</c>, <c>interrupted</c>.</param>
/// <param name="Message">For people.</param>
public sealed record VideoJobError(string Code, string Message)
{
    internal static VideoJobError Interrupted(int times) =>
        new("interrupted", $"The service ended {times} times in the middle of this video.");
}
