using System.Text.Json.Serialization;

namespace TurboDiffusion.Extensions.AI;

/// <summary>What is known of a finished video beside its bytes.</summary>
/// <param name="Width">Width in pixels.</param>
/// <param name="Height">Height in pixels.</param>
/// <param name="FrameCount">Number of frames.</param>
/// <param name="FramesPerSecond">Frames per second of playback.</param>
/// <param name="Seed">The seed that reproduces the video with the same request and model.</param>
public sealed record VideoInfo(int Width, int Height, int FrameCount, double FramesPerSecond, long? Seed = null)
{
    /// <summary>How long the video plays.</summary>
    [JsonIgnore]
    public TimeSpan Duration => TimeSpan.FromSeconds(FrameCount / FramesPerSecond);
}
