using System.Security.Cryptography;
using TurboDiffusion.AspNetCore.Files;

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

    /// <summary>Makes the job. It is complete from now on: one that is interrupted and runs again gives the same video.</summary>
    /// <param name="model">The model that the request names, by its own name.</param>
    /// <param name="now">When.</param>
    public VideoJob Accept(string model, DateTimeOffset now) => new()
    {
        Id = VideoJobId.New(),
        Owner = Owner,
        Request = Request with { Model = model, Seed = Request.Seed ?? RandomNumberGenerator.GetInt32(int.MaxValue) },
        CreatedAt = now,
        RemixedFrom = RemixedFrom,
        IdempotencyKey = IdempotencyKey,
    };

    /// <summary>Stores the images of the job that was made: all of them, or none.</summary>
    internal async Task SaveImagesAsync(IVideoFileStore files, string jobId, CancellationToken cancellationToken)
    {
        try
        {
            if (StartImage is { } start && Request.StartImage is { } startName)
                await files.SaveAsync(jobId, startName, start, cancellationToken).ConfigureAwait(false);

            if (EndImage is { } end && Request.EndImage is { } endName)
                await files.SaveAsync(jobId, endName, end, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await files.DeleteAsync(jobId, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Whether this asks for what a job was accepted for; what the service filled in then is no difference.</summary>
    /// <param name="job">The job.</param>
    /// <param name="model">The model that this request names, by its own name.</param>
    public bool IsRepeatOf(VideoJob job, string model)
    {
        ArgumentNullException.ThrowIfNull(job);
        return RemixedFrom == job.RemixedFrom && Request with { Model = model, Seed = Request.Seed ?? job.Request.Seed } == job.Request;
    }
}
