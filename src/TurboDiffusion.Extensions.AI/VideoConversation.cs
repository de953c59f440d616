using System.Collections.Concurrent;
using System.ComponentModel;
using System.Globalization;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// One call of a <see cref="VideoGeneratingChatClient"/>: translates messages to what the model understands and back,
/// and holds the images and videos that have ids.
/// </summary>
internal sealed class VideoConversation
{
    private const string IdKey = "conversationId";

    private readonly IVideoGenerator _generator;
    private readonly int _maxPromptLength;
    private readonly ConcurrentDictionary<string, AIContent> _media = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<string, VideoGenerationToolResultContent> _results = new();
    private readonly AIFunction[] _functions;
    private bool _active;
    private VideoGenerationOptions? _options;

    public VideoConversation(IVideoGenerator generator, int maxPromptLength)
    {
        _generator = generator;
        _maxPromptLength = maxPromptLength;
        _functions =
        [
            AIFunctionFactory.Create(GenerateAsync, ToolText.GenerateVideoName, ToolText.GenerateVideo),
            AIFunctionFactory.Create(AnimateAsync, ToolText.AnimateImageName, ToolText.AnimateImage),
        ];
    }

    /// <summary>Puts the functions in the place of the marker, on a copy.</summary>
    public ChatOptions? ToModel(ChatOptions? options)
    {
        if (options?.Tools?.OfType<HostedVideoGenerationTool>().LastOrDefault() is not { } marker)
            return options;

        _active = true;
        _options = marker.Options;
        var changed = options.Clone();
        changed.Tools = [.. options.Tools.Where(tool => tool is not HostedVideoGenerationTool), .. _functions];
        return changed;
    }

    /// <summary>Turns videos of earlier turns into text and function calls, on copies, and gives ids to images.</summary>
    public List<ChatMessage> ToModel(IEnumerable<ChatMessage> messages)
    {
        var changed = new List<ChatMessage>();
        foreach (var message in messages)
        {
            var copy = message.Clone();
            copy.Contents = [.. message.Contents.SelectMany(ToModel)];
            changed.Add(copy);
        }

        return changed;
    }

    /// <summary>Puts video contents in the place of this call's function calls and results.</summary>
    public IList<AIContent> FromModel(IList<AIContent> contents) => [.. contents.Select(content => content switch
    {
        FunctionCallContent call when _active && IsOurs(call.Name) => new VideoGenerationToolCallContent(call.CallId)
        {
            FunctionName = call.Name,
            Arguments = call.Arguments,
        },
        FunctionResultContent result when _results.TryGetValue(result.CallId, out var videos) => videos,
        _ => content,
    })];

    private IEnumerable<AIContent> ToModel(AIContent content)
    {
        switch (content)
        {
            case VideoGenerationToolCallContent call:
                yield return new FunctionCallContent(call.CallId, call.FunctionName, call.Arguments);
                break;
            case VideoGenerationToolResultContent result:
                foreach (var video in result.Outputs ?? [])
                    Register(video);
                yield return new FunctionResultContent(result.CallId, result.Summary);
                break;
            case DataContent or UriContent when IsMedia(content, "video"):
                yield return new TextContent($"[{Describe(Register(content), content)}]");
                break;
            case DataContent or UriContent when IsMedia(content, "image"):
                yield return content;
                yield return new TextContent($"[{Register(content)}]");
                break;
            default:
                yield return content;
                break;
        }
    }

    private async Task<string> GenerateAsync(
        [Description(ToolText.Prompt)] string prompt,
        [Description(ToolText.AspectRatio), AspectRatios] string? aspectRatio = null,
        [Description(ToolText.Duration)] double? durationSeconds = null,
        [Description(ToolText.Seed)] long? seed = null,
        [Description(ToolText.EarlierVideo)] string? earlierVideoId = null,
        CancellationToken cancellationToken = default)
    {
        VideoInfo? earlier = null;
        if (earlierVideoId is not null)
        {
            if (!_media.TryGetValue(earlierVideoId, out var video) || !IsMedia(video, "video"))
                return Unknown(earlierVideoId, "video");
            earlier = video.GetVideoInfo();
        }

        return await RunAsync(
            new VideoGenerationRequest(prompt), aspectRatio, durationSeconds, seed, earlier, cancellationToken)
            .ConfigureAwait(false);
    }

    private async Task<string> AnimateAsync(
        [Description(ToolText.ImageId)] string imageId,
        [Description(ToolText.Motion)] string prompt,
        [Description(ToolText.Duration)] double? durationSeconds = null,
        [Description(ToolText.Seed)] long? seed = null,
        CancellationToken cancellationToken = default) =>
        _media.TryGetValue(imageId, out var image) && IsMedia(image, "image")
            ? await RunAsync(new VideoGenerationRequest(prompt, image), null, durationSeconds, seed, null, cancellationToken)
                .ConfigureAwait(false)
            : Unknown(imageId, "image");

    private async Task<string> RunAsync(
        VideoGenerationRequest request,
        string? aspectRatio,
        double? durationSeconds,
        long? seed,
        VideoInfo? earlier,
        CancellationToken cancellationToken)
    {
        if (ToolOptions.PromptError(request.Prompt, _maxPromptLength) is { } promptError)
            return promptError;

        var (options, error) = ToolOptions.Create(_options, aspectRatio, durationSeconds, seed);
        if (options is null)
            return error!;

        if (earlier is not null)
        {
            options.Seed = seed ?? earlier.Seed;
            options.Duration = durationSeconds is null ? earlier.Duration : options.Duration;
            options.FramesPerSecond ??= earlier.FramesPerSecond;
            options.VideoSize = aspectRatio is null ? new(earlier.Width, earlier.Height) : null;
        }

        VideoGenerationResponse response;
        try
        {
            response = await _generator.GenerateAsync(request, options, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (ToolOptions.IsForTheUser(exception))
        {
            return exception.Message;
        }

        var summary = "Generated, and shown to the user: " + string.Join(
            "; ", response.Contents.Select(video => Describe(RegisterGenerated(video), video)))
            + string.Concat(response.Contents.Select(video => video.GetVideoInfo()?.Note).OfType<string>().Distinct()
                .Select(note => $". Note: {note}"));
        if (FunctionInvokingChatClient.CurrentContext?.CallContent.CallId is { } callId)
        {
            _results[callId] = new VideoGenerationToolResultContent(callId)
            {
                Outputs = [.. response.Contents],
                Summary = summary,
            };
        }

        return summary;
    }

    /// <summary>Gives a generated video its id, which it keeps when the caller sends it back.</summary>
    private string RegisterGenerated(AIContent video)
    {
        var id = Register(video);
        (video.AdditionalProperties ??= [])[IdKey] = id;
        return id;
    }

    private string Register(AIContent content)
    {
        var kind = IsMedia(content, "video") ? "video" : "image";
        var known = content.AdditionalProperties?.GetValueOrDefault(IdKey)?.ToString();
        string id;
        lock (_media)
        {
            var number = 1 + _media.Keys.Count(key => key.StartsWith(kind, StringComparison.Ordinal));
            while (_media.ContainsKey(Id(number)))
                number++;
            id = known ?? Id(number);
            _media[id] = content;
        }

        return id;

        string Id(int number) => string.Create(CultureInfo.InvariantCulture, $"{kind}-{number}");
    }

    private static string Describe(string id, AIContent video) => video.GetVideoInfo() is { } info
        ? string.Create(CultureInfo.InvariantCulture,
            $"{id}: {info.Width}x{info.Height}, {info.Duration.TotalSeconds:0.##} s, seed {info.Seed}")
        : id;

    private string Unknown(string id, string kind) => _media.Keys.Where(key => key.StartsWith(kind, StringComparison.Ordinal))
        .ToList() is { Count: > 0 } known
        ? $"There is no {kind} {id} in this conversation; there are {string.Join(", ", known.Order(StringComparer.Ordinal))}."
        : $"There is no {kind} in this conversation.";

    private bool IsOurs(string name) => Array.Exists(_functions, function => function.Name == name);

    private static bool IsMedia(AIContent content, string topLevelType) => content switch
    {
        DataContent data => data.HasTopLevelMediaType(topLevelType),
        UriContent uri => uri.HasTopLevelMediaType(topLevelType),
        _ => false,
    };
}
