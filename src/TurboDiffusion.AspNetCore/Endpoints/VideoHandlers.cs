using System.Globalization;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Security.Claims;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.AspNetCore.Endpoints;

/// <summary>What the endpoints do.</summary>
internal static class VideoHandlers
{
    private const int UsualPage = 20;
    private const int LargestPage = 100;

    // Who takes less of what is there for it holds a file open, or a watch, for nothing.
    private static readonly MinDataRate SlowestReader = new(bytesPerSecond: 16 << 10, gracePeriod: TimeSpan.FromSeconds(5));

    public static async Task<IResult> CreateAsync(
        HttpContext http, ClaimsPrincipal user, IVideoJobs jobs, IOptions<VideoServiceOptions> options)
    {
        var submission = await VideoRequestReader.ReadAsync(http, Owner(user), options.Value).ConfigureAwait(false);
        return Json(await jobs.SubmitAsync(submission, http.RequestAborted).ConfigureAwait(false));
    }

    public static async Task<IResult> ListAsync(
        ClaimsPrincipal user, IVideoJobs jobs, string? limit, string? order, string? after, CancellationToken cancellationToken)
    {
        var count = UsualPage;
        if (limit is not null
            && !(int.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count is >= 1 and <= LargestPage))
            throw ApiException.Invalid("limit", $"The limit must be from 1 to {LargestPage}.");
        if (order is not (null or "asc" or "desc"))
            throw ApiException.Invalid("order", "The order must be asc or desc.");
        // Otherwise whoever deletes while listing would take the rest for all there is.
        if (after is not null && await jobs.FindAsync(Owner(user), after, cancellationToken).ConfigureAwait(false) is null)
            throw ApiException.Invalid("after", "There is no such video, or not any more; begin at another one, or at the first.");

        var page = await jobs.ListAsync(Owner(user), count, after, order == "asc", cancellationToken).ConfigureAwait(false);
        return Results.Json(VideoListResource.Of(page), WireJson.Default.VideoListResource);
    }

    public static async Task<IResult> FindAsync(
        ClaimsPrincipal user, IVideoJobs jobs, string id, CancellationToken cancellationToken) =>
        Json(await JobAsync(user, jobs, id, cancellationToken).ConfigureAwait(false));

    public static async Task<IResult> DeleteAsync(
        ClaimsPrincipal user, IVideoJobs jobs, string id, CancellationToken cancellationToken) =>
        await jobs.DeleteAsync(Owner(user), id, cancellationToken).ConfigureAwait(false)
            ? Results.Json(new VideoDeletedResource(id, "video.deleted", true), WireJson.Default.VideoDeletedResource)
            : throw ApiException.NotFound(id);

    public static async Task<IResult> ContentAsync(
        HttpContext http, ClaimsPrincipal user, IVideoJobs jobs, IVideoFileStore files, string id, string? variant,
        CancellationToken cancellationToken)
    {
        var job = await JobAsync(user, jobs, id, cancellationToken).ConfigureAwait(false);
        if (job.Video is not { } video)
        {
            throw new ApiException(404, "video_not_ready", job.Error is { } error ? $"There is no video: {error.Message}"
                : "The video is not finished; ask for it again when its status is completed.");
        }

        var name = variant switch
        {
            null or "video" => video.File,
            "thumbnail" => video.Thumbnail,
            "spritesheet" => video.Spritesheet,
            _ => throw ApiException.Invalid("variant", "The variant must be video, thumbnail or spritesheet."),
        };
        var stream = name is null ? null : await files.OpenAsync(id, name, cancellationToken).ConfigureAwait(false);
        if (name is null || stream is null)
            throw new ApiException(404, "variant_not_found", $"This video has no {variant ?? "video"}.", "variant");

        CutOffSlowReader(http);
        http.Response.Headers.CacheControl = "private, no-cache";
        return Results.Stream(
            stream,
            VideoFileNames.MediaType(name),
            $"{id}-{name}",
            job.CompletedAt,
            // A finished file does not change.
            new Microsoft.Net.Http.Headers.EntityTagHeaderValue($"\"{id}-{name}\""),
            enableRangeProcessing: true);
    }

    public static async Task<IResult> RemixAsync(
        HttpContext http, ClaimsPrincipal user, IVideoJobs jobs, IVideoFileStore files, IOptions<VideoServiceOptions> options, string id)
    {
        var job = await JobAsync(user, jobs, id, http.RequestAborted).ConfigureAwait(false);
        var (prompt, key) = await VideoRequestReader.ReadRemixAsync(http, options.Value).ConfigureAwait(false);
        var submission = new VideoJobSubmission(job.Owner, job.Request with { Prompt = prompt })
        {
            StartImage = await ImageAsync(job.Request.StartImage).ConfigureAwait(false),
            EndImage = await ImageAsync(job.Request.EndImage).ConfigureAwait(false),
            RemixedFrom = id,
            IdempotencyKey = key,
        };
        return Json(await jobs.SubmitAsync(submission, http.RequestAborted).ConfigureAwait(false));

        async Task<ReadOnlyMemory<byte>?> ImageAsync(string? name)
        {
            if (name is null)
                return null;

            var stream = await files.OpenAsync(id, name, http.RequestAborted).ConfigureAwait(false) ?? throw ApiException.NotFound(id);
            await using (stream.ConfigureAwait(false))
            {
                var bytes = new byte[stream.Length];
                await stream.ReadExactlyAsync(bytes, http.RequestAborted).ConfigureAwait(false);
                return bytes;
            }
        }
    }

    public static async Task<IResult> EventsAsync(
        HttpContext http, ClaimsPrincipal user, IVideoJobs jobs, string id, CancellationToken cancellationToken)
    {
        var job = await JobAsync(user, jobs, id, cancellationToken).ConfigureAwait(false);
        CutOffSlowReader(http);
        return TypedResults.ServerSentEvents(Events(jobs.WatchAsync(job.Owner, id, cancellationToken), cancellationToken));
    }

    public static async Task<IResult> ModelsAsync(IVideoJobs jobs, CancellationToken cancellationToken)
    {
        var names = await jobs.ListModelsAsync(cancellationToken).ConfigureAwait(false);
        return Results.Json(
            new ModelListResource("list", [.. names.Select(name => new ModelResource(name, "model", 0, "turbodiffusion"))]),
            WireJson.Default.ModelListResource);
    }

    public static IResult Nothing(HttpContext http) => throw new ApiException(
        404, "unknown_url", $"There is no {http.Request.Method} {http.Request.Path} here.");

    private static async IAsyncEnumerable<SseItem<string>> Events(
        IAsyncEnumerable<VideoJobEvent> events, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var update in events.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            if (update.Preview is { } preview)
            {
                yield return new SseItem<string>(
                    JsonSerializer.Serialize(VideoPreviewResource.Of(update.Job.Id, preview), WireJson.Default.VideoPreviewResource),
                    "video.preview");
            }

            var kind = update.Job.Status switch
            {
                VideoJobStatus.Completed => "video.completed",
                VideoJobStatus.Failed => "video.failed",
                _ => "video.progress",
            };
            yield return new SseItem<string>(JsonSerializer.Serialize(VideoResource.Of(update.Job), WireJson.Default.VideoResource), kind);
        }
    }

    private static void CutOffSlowReader(HttpContext http)
    {
        if (http.Features.Get<IHttpMinResponseDataRateFeature>() is { } rate)
            rate.MinDataRate = SlowestReader;
        else
            http.Response.Body = new ImpatientStream(http, SlowestReader);
    }

    private static async Task<VideoJob> JobAsync(
        ClaimsPrincipal user, IVideoJobs jobs, string id, CancellationToken cancellationToken) =>
        await jobs.FindAsync(Owner(user), id, cancellationToken).ConfigureAwait(false) ?? throw ApiException.NotFound(id);

    private static string Owner(ClaimsPrincipal user) =>
        user.Identity?.Name ?? throw new InvalidOperationException("The endpoints of videos need an authenticated caller.");

    private static IResult Json(VideoJob job) => Results.Json(VideoResource.Of(job), WireJson.Default.VideoResource);
}
