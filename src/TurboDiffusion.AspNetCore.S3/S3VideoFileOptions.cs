namespace TurboDiffusion.AspNetCore.S3;

/// <summary>
/// Which bucket keeps the videos. Who may use it is found as every program on AWS's SDK finds it: <c>AWS_ACCESS_KEY_ID</c> and
/// <c>AWS_SECRET_ACCESS_KEY</c>, a profile, or the machine's role.
/// </summary>
public sealed class S3VideoFileOptions
{
    /// <summary>The bucket. It must exist.</summary>
    public string? Bucket { get; set; }

    /// <summary>What the keys of objects begin with; several services may share a bucket.</summary>
    public string Prefix { get; set; } = "videos/";

    /// <summary>The address of a store that is not Amazon's, such as <c>http://10.0.0.7:9000</c>.</summary>
    public string? ServiceUrl { get; set; }

    /// <summary>
    /// The region; <see langword="null"/> takes that of the environment, and <c>us-east-1</c> with a <see cref="ServiceUrl"/>.
    /// </summary>
    public string? Region { get; set; }
}
