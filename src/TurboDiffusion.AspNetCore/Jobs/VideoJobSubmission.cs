namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>A request for a video, as it arrives.</summary>
/// <param name="Owner">Who asks: the name of an API key.</param>
/// <param name="Request">What to generate.</param>
public sealed record VideoJobSubmission(string Owner, VideoJobRequest Request)
{
    /// <summary>The bytes of the image to start from (JPEG, PNG or WebP), checked already; its name is in the request.</summary>
    public ReadOnlyMemory<byte>? StartImage { get; init; }

    /// <summary>The bytes of the image to end with, likewise.</summary>
    public ReadOnlyMemory<byte>? EndImage { get; init; }

    /// <summary>The job whose video this one varies.</summary>
    public string? RemixedFrom { get; init; }

    /// <summary>The same key of the same owner gives the same job.</summary>
    public string? IdempotencyKey { get; init; }
}
