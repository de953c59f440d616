namespace TurboDiffusion.AspNetCore;

/// <summary>What a video service accepts, keeps and runs. Checked when the application starts.</summary>
public sealed class VideoServiceOptions
{
    /// <summary>
    /// Where jobs and videos are kept; <see langword="null"/> is the folder <c>turbodiffusion/service</c> among the user's
    /// application data.
    /// </summary>
    public string? DataFolder { get; set; }

    /// <summary>
    /// The models that jobs can name: keys under which generators are registered, the first the default. Empty: the one
    /// generator that is registered without a key, by the name that it gives itself.
    /// </summary>
    public IList<string> Models { get; set; } = [];

    /// <summary>Other names for models, such as <c>sora-2</c> for clients that cannot be told another.</summary>
    public IDictionary<string, string> ModelAliases { get; set; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// The API keys: names, which own jobs, with the SHA-256 of the key in hexadecimal digits (<see cref="Security.ApiKey"/>).
    /// Without any, programs on the same machine alone are answered.
    /// </summary>
    public IDictionary<string, string> ApiKeys { get; set; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Jobs that run at a time, at least 1. The generators of one device take turns anyway.</summary>
    public int Workers { get; set; } = 1;

    /// <summary>Jobs that may wait.</summary>
    public int MaxQueuedJobs { get; set; } = 100;

    /// <summary>Jobs of one API key that may wait or run.</summary>
    public int MaxJobsPerKey { get; set; } = 20;

    /// <summary>Requests of one API key in a minute, to all that is guarded alike (the API, and <c>/mcp</c> of <c>serve</c>).</summary>
    public int MaxRequestsPerMinute { get; set; } = 600;

    /// <summary>How often a job is begun before it counts as failed, where the process dies in the middle of it.</summary>
    public int MaxAttempts { get; set; } = 3;

    /// <summary>How long an ended job and its video are kept.</summary>
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>Bytes of all videos that are kept; beyond them, the oldest are deleted.</summary>
    public long MaxStoredBytes { get; set; } = 20L << 30;

    /// <summary>The longest prompt, in characters.</summary>
    public int MaxPromptLength { get; set; } = 4000;

    /// <summary>The largest start image, in bytes.</summary>
    public int MaxImageBytes { get; set; } = 16 << 20;

    /// <summary>The largest start image, in pixels.</summary>
    public int MaxImagePixels { get; set; } = 36_000_000;

    /// <summary>The largest frame, in pixels.</summary>
    public int MaxFramePixels { get; set; } = 1280 * 720;

    /// <summary>The longest video, in frames.</summary>
    public int MaxFrames { get; set; } = 161;

    /// <summary>The most denoising steps.</summary>
    public int MaxSteps { get; set; } = 100;

    /// <summary>Pictures that are shown while a video is made, and that its spritesheet has.</summary>
    public int Previews { get; set; } = 8;
}
