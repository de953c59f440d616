using TurboDiffusion.Generation.Media;
using TurboDiffusion.Models;

namespace TurboDiffusion.Training.Data;

/// <summary>How videos are cut into training clips.</summary>
public sealed record VideoClipOptions
{
    /// <summary>Columns and rows of pixels: videos are resized to cover them and cropped around the centre.</summary>
    public VideoSize Size { get; init; } = ModelSpec.T2V1_3B.Size;

    /// <summary>Frames per clip, 4k + 1.</summary>
    public int Frames { get; init; } = ModelSpec.T2V1_3B.Frames;

    /// <summary>Frames per second.</summary>
    public double FramesPerSecond { get; init; } = ModelSpec.T2V1_3B.FramesPerSecond;

    /// <summary>The most clips that are cut from one video, from its beginning; null: all.</summary>
    public int? ClipsPerVideo { get; init; }

    /// <summary>Size and speed of a clip.</summary>
    /// <exception cref="InvalidRequestException">A number is out of range.</exception>
    internal VideoFormat Format()
    {
        ModelSpec.T2V1_3B.Vae.CheckFrames(Frames);
        if (ClipsPerVideo < 1)
            throw new InvalidRequestException("clipsPerVideo", $"{ClipsPerVideo} clips are to be cut from each video; give at least 1.");
        return new VideoFormat(Size.Width, Size.Height, FramesPerSecond);
    }
}
