namespace TurboDiffusion.AspNetCore;

/// <summary>Names that an application needs beside the endpoints.</summary>
public static class VideoServiceDefaults
{
    /// <summary>The authorization policy of the endpoints: an API key, or without keys, a caller on the same machine.</summary>
    public const string Policy = "VideoService";

    /// <summary>
    /// The meter of the jobs. Those of stages, steps and frames are
    /// <see cref="Extensions.AI.OpenTelemetryVideoGenerator.DefaultSourceName"/>.
    /// </summary>
    public const string MeterName = "TurboDiffusion.AspNetCore";
}
