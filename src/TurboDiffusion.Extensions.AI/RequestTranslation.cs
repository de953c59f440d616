using System.Globalization;
using Microsoft.Extensions.AI;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Models;

namespace TurboDiffusion.Extensions.AI;

/// <summary>From the request and options of <see cref="IVideoGenerator"/> to those of the engine.</summary>
internal static class RequestTranslation
{
    public static VideoRequest Translate(
        VideoGenerationRequest request,
        VideoGenerationOptions options,
        TurboDiffusionRequestOptions raw,
        ModelSpec spec,
        string outputPath)
    {
        if (string.IsNullOrWhiteSpace(request.Prompt))
            throw new InvalidRequestException("prompt", "The prompt is empty; describe the video.");

        return new VideoRequest
        {
            Prompt = request.Prompt,
            NegativePrompt = request.NegativePrompt,
            StartImage = Image(request.StartFrame, "start frame"),
            EndImage = Image(request.EndFrame, "end frame"),
            AdaptiveSize = request.StartFrame is not null && options.VideoSize is null && options.AspectRatio is null,
            Size = options.VideoSize is { } size ? new VideoSize(size.Width, size.Height)
                : options.AspectRatio is { } ratio ? Size(ratio, spec) : null,
            Loras = raw.ParsedLoras(),
            Frames = raw.Frames ?? Frames(options, spec),
            FramesPerSecond = options.FramesPerSecond,
            Sampler = raw.Sampler,
            Steps = raw.Steps,
            Ode = raw.Ode,
            SigmaMax = raw.SigmaMax,
            Shift = raw.Shift,
            GuidanceScale = raw.GuidanceScale,
            Seed = options.Seed is not { } seed ? null
                : seed >= 0 ? (ulong)seed
                : throw new InvalidRequestException("seed", $"The seed is {seed}; it must be 0 or more."),
            Count = options.Count ?? 1,
            OutputPath = outputPath,
        };
    }

    /// <summary>The extension, or the separator of a folder of frames, for a media type.</summary>
    public static string Extension(string? mediaType) => mediaType?.ToLowerInvariant() switch
    {
        null or "video/mp4" => ".mp4",
        "video/webm" => ".webm",
        "image/gif" => ".gif",
        "image/png" => "/",
        _ => throw new InvalidRequestException(
            "media type",
            $"The media type '{mediaType}' cannot be written; choose video/mp4, video/webm, image/gif, or image/png for a folder of "
                + "frames."),
    };

    /// <summary>The media type of a written file.</summary>
    public static string MediaType(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".mp4" => "video/mp4",
        ".webm" => "video/webm",
        ".gif" => "image/gif",
        _ => "image/png",
    };

    private static ReadOnlyMemory<byte>? Image(AIContent? content, string name)
    {
        return content switch
        {
            null => (ReadOnlyMemory<byte>?)null,
            DataContent data => data.Data,
            UriContent { Uri: { IsAbsoluteUri: true, IsFile: true } uri } => ImageReader.ReadBytes(uri.LocalPath),
            _ => throw new InvalidRequestException("image",
                $"The {name} is neither bytes nor a file on this machine; download it first."),
        };
    }

    /// <summary>The trained size of the default resolution, or a size of the default area for a model without one.</summary>
    private static VideoSize Size(string aspectRatio, ModelSpec spec)
    {
        var usual = spec.Size;
        foreach (var resolution in VideoSize.Resolutions)
        {
            if (VideoSize.AspectRatios.Any(ratio => VideoSize.Preset(resolution, ratio) == usual))
                return VideoSize.Preset(resolution, aspectRatio);
        }

        var sides = aspectRatio.Split(':');
        return sides.Length == 2
            && int.TryParse(sides[0], NumberStyles.None, CultureInfo.InvariantCulture, out var width)
            && int.TryParse(sides[1], NumberStyles.None, CultureInfo.InvariantCulture, out var height)
            && width is > 0 and <= 64 && height is > 0 and <= 64
            ? usual.WithAspectOf(width, height)
            : throw new InvalidRequestException("aspect ratio", $"The aspect ratio '{aspectRatio}' is unknown; give one such as 16:9.");
    }

    /// <summary>The number of frames, 4k + 1, that plays nearest to the duration.</summary>
    private static int? Frames(VideoGenerationOptions options, ModelSpec spec)
    {
        if (options.Duration is not { } duration)
            return null;

        var frames = duration.TotalSeconds * (options.FramesPerSecond ?? spec.FramesPerSecond);
        if (!(frames is >= 0 and < int.MaxValue / 2))
            throw new InvalidRequestException("duration", $"The duration is {duration}; give a few seconds.");

        return spec.Vae.NearestFrames(frames);
    }
}
