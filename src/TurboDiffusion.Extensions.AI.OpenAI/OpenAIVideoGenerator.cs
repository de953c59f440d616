using System.ClientModel;
using System.ClientModel.Primitives;
using System.Globalization;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OpenAI.Videos;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Asks a service for a video, asks after it until it is there, and downloads it.</summary>
internal sealed class OpenAIVideoGenerator(VideoClient client, string? defaultModelId, TimeSpan pollInterval) : IVideoGenerator
{
    private readonly VideoGeneratorMetadata _metadata = new("openai", client.Endpoint, defaultModelId);

    public Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        GenerateStreamingAsync(request, options, cancellationToken).ToVideoGenerationResponseAsync(cancellationToken);

    public IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        options ??= new VideoGenerationOptions();
        return options.ResponseFormat is null or VideoGenerationResponseFormat.Data
            ? StreamAsync(request, options, cancellationToken)
            : throw new NotSupportedException("The service's videos are returned as bytes; ask for VideoGenerationResponseFormat.Data.");
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(VideoGeneratorMetadata) ? _metadata
            : serviceType.IsInstanceOfType(client) ? client
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    public void Dispose()
    {
    }

    private async IAsyncEnumerable<VideoGenerationResponseUpdate> StreamAsync(
        VideoGenerationRequest request, VideoGenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var number = 0; number < (options.Count ?? 1); number++)
        {
            var video = await CreateAsync(request, options, number, cancellationToken).ConfigureAwait(false);
            var ended = false;
            try
            {
                while (video.Status is "queued" or "in_progress")
                {
                    yield return video.ToUpdate();
                    await Task.Delay(pollInterval, cancellationToken).ConfigureAwait(false);
                    video = Video.Of(await client.GetVideoAsync(video.Id, Options(cancellationToken)).ConfigureAwait(false));
                }

                ended = true;
            }
            finally
            {
                // Whoever leaves early wants the video no more; the service is not to work on it in vain.
                if (!ended)
                    await ForgetAsync(video.Id).ConfigureAwait(false);
            }

            if (video.Status != "completed")
                throw new InvalidOperationException($"The service made no video ({video.Status}{video.Code}): {video.Error}");

            var content = (await client.DownloadVideoAsync(video.Id, null, Options(cancellationToken)).ConfigureAwait(false))
                .GetRawResponse();
            var mediaType = content.Headers.TryGetValue("Content-Type", out var type) ? type!.Split(';')[0] : "video/mp4";
            var data = new DataContent(content.Content.ToMemory(), mediaType);
            yield return new VideoGenerationResponseUpdate([video.Info is { } info ? data.WithVideoInfo(info) : data])
            {
                Kind = VideoGenerationResponseUpdateKind.VideoUpdated,
                ResponseId = video.Id,
                ModelId = video.Model,
            };
        }
    }

    private async Task<Video> CreateAsync(
        VideoGenerationRequest request, VideoGenerationOptions options, int number, CancellationToken cancellationToken)
    {
        using var form = new MultipartFormDataContent();
        Add("prompt", request.Prompt);
        Add("model", options.ModelId ?? defaultModelId);
        Add("size", options.VideoSize is { } size ? $"{size.Width}x{size.Height}" : null);
        Add("seconds", options.Duration?.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture));
        Add("negative_prompt", request.NegativePrompt);
        Add("aspect_ratio", options.AspectRatio);
        Add("fps", options.FramesPerSecond?.ToString(CultureInfo.InvariantCulture));
        Add("seed", checked(options.Seed + number)?.ToString(CultureInfo.InvariantCulture));
        foreach (var (name, value) in options.AdditionalProperties ?? [])
            Add(name, Convert.ToString(value, CultureInfo.InvariantCulture));

        if (request.StartFrame is { } frame)
            form.Add(await ImageAsync(frame, cancellationToken).ConfigureAwait(false), "input_reference", "start");
        // No field of OpenAI's; turbodiffusion serve has it.
        if (request.EndFrame is { } end)
            form.Add(await ImageAsync(end, cancellationToken).ConfigureAwait(false), "end_image", "end");

        using var body = new MemoryStream();
        await form.CopyToAsync(body, cancellationToken).ConfigureAwait(false);
        body.Position = 0;
        return Video.Of(await client.CreateVideoAsync(
            BinaryContent.Create(body), form.Headers.ContentType!.ToString(), Options(cancellationToken)).ConfigureAwait(false));

        void Add(string name, string? value)
        {
            if (value is not null)
                form.Add(new StringContent(value), name);
        }
    }

    private static async Task<HttpContent> ImageAsync(AIContent frame, CancellationToken cancellationToken)
    {
        var data = frame as DataContent ?? await LocalFile.ReadImageAsync(
            LocalFile.PathOf(frame)
                ?? throw new NotSupportedException("A frame is neither bytes nor a file on this machine; download it first."),
            cancellationToken).ConfigureAwait(false);
        var content = new ByteArrayContent(data.Data.ToArray());
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(data.MediaType);
        return content;
    }

    private async Task ForgetAsync(string id)
    {
        try
        {
            await client.DeleteVideoAsync(id, new RequestOptions()).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is ClientResultException or HttpRequestException or AggregateException)
        {
            // It is gone already, or the service is; what ended the call is the error to tell.
        }
    }

    private static RequestOptions Options(CancellationToken cancellationToken) => new() { CancellationToken = cancellationToken };

    /// <summary>What the service says of a video. The client has no type for it.</summary>
    private sealed record Video(JsonElement Json)
    {
        public string Id => Text("id") ?? throw new InvalidOperationException("The service's answer names no video.");

        public string Status => Text("status") ?? "";

        public string? Model => Text("model");

        public string? Code => Json.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.Object
            && error.TryGetProperty("code", out var code) ? $", {code}" : null;

        public string? Error => Json.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.Object
            && error.TryGetProperty("message", out var message) ? message.GetString() : null;

        /// <summary>Size and length; those that OpenAI's API does not tell are this project's own fields.</summary>
        public VideoInfo? Info => Text("size")?.Split('x') is [var w, var h]
            && int.TryParse(w, CultureInfo.InvariantCulture, out var width) && int.TryParse(h, CultureInfo.InvariantCulture, out var height)
            && Number("frames") is { } frames && Number("fps") is { } fps
            ? new VideoInfo(width, height, (int)frames, fps, Seed, Text("note")) : null;

        // All of its 63 bits.
        private long? Seed => Json.TryGetProperty("seed", out var value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetInt64(out var seed) ? seed : null;

        public static Video Of(ClientResult result)
        {
            using var document = JsonDocument.Parse(result.GetRawResponse().Content);
            return new Video(document.RootElement.Clone());
        }

        public VideoGenerationResponseUpdate ToUpdate() => new()
        {
            Kind = Status == "queued" ? VideoGenerationResponseUpdateKind.Queued : VideoGenerationResponseUpdateKind.Progress,
            ResponseId = Id,
            ModelId = Model,
            Progress = new VideoGenerationProgress(
                Text("stage") ?? (Status == "queued" ? null : Status),
                PercentComplete: (int?)Number("progress"),
                Remaining: Number("seconds_left") is { } left ? TimeSpan.FromSeconds(left) : null,
                QueuePosition: (int?)Number("queue_position")),
        };

        private string? Text(string name) => Json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

        private double? Number(string name) => Json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
            ? value.GetDouble()
            : null;
    }
}
