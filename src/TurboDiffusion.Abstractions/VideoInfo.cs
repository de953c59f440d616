using System.Text.Json.Serialization;

namespace TurboDiffusion.Extensions.AI;

/// <summary>What is known of a finished video beside its bytes.</summary>
/// <param name="Width">Width in pixels.</param>
/// <param name="Height">Height in pixels.</param>
/// <param name="FrameCount">Number of frames.</param>
/// <param name="FramesPerSecond">Frames per second of playback.</param>
/// <param name="Seed">The seed that reproduces the video with the same request and model.</param>
/// <param name="Note">
/// What the model did not take from the prompt, in words for whoever asked: what it does not know, an end that it does not read;
/// <see langword="null"/> where it took all of it.
/// </param>
public sealed record VideoInfo(
    int Width, int Height, int FrameCount, double FramesPerSecond, long? Seed = null, string? Note = null)
{
    /// <summary>How long the video plays; zero where the frame rate tells no length.</summary>
    [JsonIgnore]
    public TimeSpan Duration => FramesPerSecond > 0 && FrameCount / FramesPerSecond is var seconds and < int.MaxValue
        ? TimeSpan.FromSeconds(seconds)
        : TimeSpan.Zero;
}
