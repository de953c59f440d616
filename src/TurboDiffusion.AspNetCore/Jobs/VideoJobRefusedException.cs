namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>A job was not accepted; nothing of it is left.</summary>
/// <param name="refusal">Why.</param>
/// <param name="message">For people, with the remedy.</param>
/// <param name="retryAfter">When to try again, where that helps.</param>
/// <param name="innerException">What is behind it.</param>
public sealed class VideoJobRefusedException(
    VideoJobRefusal refusal, string message, TimeSpan? retryAfter = null, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>Why.</summary>
    public VideoJobRefusal Refusal { get; } = refusal;

    /// <summary>When to try again, where that helps.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;

    internal static VideoJobRefusedException QueueFull(int waiting, TimeSpan? retryAfter = null) => new(
        VideoJobRefusal.QueueFull, $"The queue is full: {waiting} videos are waiting. Try again later.", retryAfter);

    internal static VideoJobRefusedException OwnerQueueFull(int open, TimeSpan? retryAfter = null) => new(
        VideoJobRefusal.OwnerQueueFull,
        $"{open} of your videos are waiting or being made, and no more are accepted. Try again later.",
        retryAfter);

    internal static VideoJobRefusedException KeyReused() => new(
        VideoJobRefusal.IdempotencyKeyReused, "The idempotency key was used for another request; choose a new key for a new request.");
}
