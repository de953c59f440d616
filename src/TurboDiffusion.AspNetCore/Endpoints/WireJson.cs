using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.AspNetCore.Endpoints;

/// <summary>The bodies of requests and answers, with the field names of OpenAI's API.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(VideoResource))]
[JsonSerializable(typeof(VideoListResource))]
[JsonSerializable(typeof(VideoDeletedResource))]
[JsonSerializable(typeof(VideoPreviewResource))]
[JsonSerializable(typeof(ModelListResource))]
[JsonSerializable(typeof(ErrorResource))]
internal sealed partial class WireJson : JsonSerializerContext;

/// <summary>A video. The fields from <c>seed</c> on are our own.</summary>
internal sealed record VideoResource(
    string Id,
    string Object,
    string Model,
    string Status,
    int Progress,
    long CreatedAt,
    long? CompletedAt,
    long? ExpiresAt,
    string? Size,
    string? Seconds,
    string Prompt,
    string? RemixedFromVideoId,
    VideoErrorResource? Error,
    long? Seed,
    int? Frames,
    double? Fps,
    string? Stage,
    double? SecondsLeft,
    int? QueuePosition,
    string? Note,
    bool HasPictures)
{
    public static VideoResource Of(VideoJob job)
    {
        var (request, info) = (job.Request, job.Video?.Info);
        var size = info is not null ? (info.Width, info.Height) : request is { Width: { } width, Height: { } height }
            ? (width, height)
            : ((int, int)?)null;
        var seconds = info?.Duration.TotalSeconds ?? request.Seconds;
        return new VideoResource(
            job.Id,
            "video",
            request.Model ?? "",
            job.Status switch
            {
                VideoJobStatus.Queued => "queued",
                VideoJobStatus.InProgress => "in_progress",
                VideoJobStatus.Completed => "completed",
                _ => "failed",
            },
            job.Status == VideoJobStatus.Completed ? 100 : job.Progress?.Percent ?? 0,
            job.CreatedAt.ToUnixTimeSeconds(),
            job.CompletedAt?.ToUnixTimeSeconds(),
            job.ExpiresAt?.ToUnixTimeSeconds(),
            size is { } s ? $"{s.Item1}x{s.Item2}" : null,
            seconds?.ToString("0.###", CultureInfo.InvariantCulture),
            request.Prompt,
            job.RemixedFrom,
            job.Error is { } error ? new VideoErrorResource(error.Code, error.Message) : null,
            request.Seed,
            info?.FrameCount ?? request.Frames,
            info?.FramesPerSecond ?? request.FramesPerSecond,
            job.Progress?.Stage,
            job.Progress?.SecondsLeft is { } left ? Math.Round(left, 1) : null,
            job.Progress?.QueuePosition,
            job.Note,
            job.Video?.Thumbnail is not null);
    }
}

internal sealed record VideoErrorResource(string Code, string Message);

internal sealed record VideoListResource(string Object, IReadOnlyList<VideoResource> Data, string? FirstId, string? LastId, bool HasMore)
{
    public static VideoListResource Of(VideoJobPage page)
    {
        VideoResource[] data = [.. page.Jobs.Select(VideoResource.Of)];
        return new VideoListResource("list", data, data.FirstOrDefault()?.Id, data.LastOrDefault()?.Id, page.HasMore);
    }
}

internal sealed record VideoDeletedResource(string Id, string Object, bool Deleted);

/// <summary>A picture of a video that is being made.</summary>
internal sealed record VideoPreviewResource(string Id, string Image)
{
    public static VideoPreviewResource Of(string id, ReadOnlyMemory<byte> webp) =>
        new(id, $"data:{VideoFileNames.PictureMediaType};base64,{Convert.ToBase64String(webp.Span)}");
}

internal sealed record ModelResource(string Id, string Object, long Created, string OwnedBy);

internal sealed record ModelListResource(string Object, IReadOnlyList<ModelResource> Data);

internal sealed record ErrorResource(ErrorBody Error);

internal sealed record ErrorBody(string Message, string Type, string? Param, string? Code);
