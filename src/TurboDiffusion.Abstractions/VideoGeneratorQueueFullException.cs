namespace TurboDiffusion.Extensions.AI;

/// <summary>The queue in front of a generator is full. The request was not started; it may be tried again later.</summary>
/// <param name="message">What was refused, and the remedy.</param>
public sealed class VideoGeneratorQueueFullException(string message) : InvalidOperationException(message);
