using TurboDiffusion.ML;

namespace MLPipeline;

/// <summary>A line with its video.</summary>
internal sealed class VideoRow
{
    public string Text { get; set; } = "";

    [VideoType]
    public MLVideo? Video { get; set; }

    public string Path { get; set; } = "";
}
