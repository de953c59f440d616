namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>A job was not accepted; nothing of it is left.</summary>
/// <param name="refusal">Why.</param>
/// <param name="message">For people, with the remedy.</param>
/// <param name="retryAfter">When to try again, where that helps.</param>
public sealed class VideoJobRefusedException(VideoJobRefusal refusal, string message, TimeSpan? retryAfter = null)
    : Exception(message)
{
    /// <summary>Why.</summary>
    public VideoJobRefusal Refusal { get; } = refusal;

    /// <summary>When to try again, where that helps.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}
