namespace TurboDiffusion.Evaluation;

/// <summary>The size of a clip.</summary>
/// <param name="Width">In pixels.</param>
/// <param name="Height">In pixels.</param>
/// <param name="Frames">Their number.</param>
/// <param name="FramesPerSecond">The speed at which it is shown.</param>
public sealed record ClipSize(int Width, int Height, int Frames, int FramesPerSecond)
{
    /// <summary>All of it in one line.</summary>
    public override string ToString() => $"{Width}x{Height}, {Frames} frames";
}
