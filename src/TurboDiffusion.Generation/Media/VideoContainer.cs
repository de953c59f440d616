namespace TurboDiffusion.Generation.Media;

/// <summary>What a video is written as.</summary>
public enum VideoContainer
{
    /// <summary>MP4 with H.264, 4:2:0, playable while it loads.</summary>
    Mp4,

    /// <summary>WebM with VP9, 4:2:0.</summary>
    WebM,

    /// <summary>An endless GIF; every frame has its own palette, so that frames stream through.</summary>
    Gif,

    /// <summary>A folder of PNG files <c>frame_00000.png</c>, … with <c>metadata.json</c> beside them.</summary>
    PngFrames,
}
