using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.AspNetCore.Endpoints;

/// <summary>
/// Reads what a client asks for, as a form or as JSON, within bounds: the fields of <see cref="RequestField.All"/>.
/// </summary>
internal static class VideoRequestReader
{
    /// <summary>The longest idempotency key, in characters.</summary>
    public const int MaxIdempotencyKeyLength = 255;

    private const int MaxFieldNameLength = 64;

    // Room for the form around an image and a prompt.
    private const int Overhead = 64 << 10;

    /// <summary>The largest body: the images in base64, and the texts in any escaping.</summary>
    public static long MaxBody(VideoServiceOptions limits) =>
        Overhead + UploadedImage.Fields.Count * limits.MaxImageBytes * 4L / 3 + limits.MaxPromptLength * 12L * 2;

    /// <summary>Reads the request for a new video.</summary>
    /// <exception cref="ApiException">It cannot be met.</exception>
    public static async Task<VideoJobSubmission> ReadAsync(HttpContext http, string owner, VideoServiceOptions limits)
    {
        var (fields, images) = await ReadFieldsAsync(http, limits).ConfigureAwait(false);
        var (width, height) = Size(fields, limits);
        var request = new VideoJobRequest
        {
            Prompt = Prompt(fields, limits),
            NegativePrompt = Text(fields, "negative_prompt", limits),
            Model = Text(fields, "model", limits),
            Width = width,
            Height = height,
            AspectRatio = Text(fields, "aspect_ratio", limits),
            Seconds = Number<double>(fields, "seconds", limits),
            Frames = Number<int>(fields, "frames", limits),
            FramesPerSecond = Number<double>(fields, "fps", limits),
            Steps = Number<int>(fields, "steps", limits),
            GuidanceScale = Number<double>(fields, "guidance_scale", limits),
            Seed = Number<long>(fields, "seed", limits),
            StartImage = images.GetValueOrDefault(UploadedImage.StartField)?.Name,
            EndImage = images.GetValueOrDefault(UploadedImage.EndField)?.Name,
        };
        return request is { EndImage: not null, StartImage: null }
            ? throw ApiException.Invalid(UploadedImage.StartField,
                $"'{UploadedImage.EndField}' is the last frame beside a first one; send that as '{UploadedImage.StartField}'.")
            : new VideoJobSubmission(owner, request)
            {
                StartImage = images.GetValueOrDefault(UploadedImage.StartField)?.Bytes,
                EndImage = images.GetValueOrDefault(UploadedImage.EndField)?.Bytes,
                IdempotencyKey = IdempotencyKey(http),
            };
    }

    /// <summary>Reads the request to vary a video: its new prompt.</summary>
    /// <exception cref="ApiException">It cannot be met.</exception>
    public static async Task<(string Prompt, string? IdempotencyKey)> ReadRemixAsync(HttpContext http, VideoServiceOptions limits)
    {
        var (fields, _) = await ReadFieldsAsync(http, limits).ConfigureAwait(false);
        return fields.Keys.FirstOrDefault(name => name != RequestField.Prompt) is { } other
            ? throw Unknown(other)
            : (Prompt(fields, limits), IdempotencyKey(http));
    }

    private static async Task<(Dictionary<string, string> Fields, Dictionary<string, UploadedImage> Images)> ReadFieldsAsync(
        HttpContext http, VideoServiceOptions limits)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        var images = new Dictionary<string, UploadedImage>(StringComparer.Ordinal);
        if (http.Request.HasJsonContentType())
        {
            using var json = await ReadJsonAsync(http).ConfigureAwait(false);
            foreach (var property in json.RootElement.EnumerateObject())
            {
                if (property.Value.ValueKind == JsonValueKind.Null)
                    continue;
                var name = UnicodeOf(() => property.Name);
                if (UploadedImage.Fields.Contains(name))
                    AddImage(name, FromJson(name, property.Value));
                else
                    Add(name, property.Value.ValueKind is JsonValueKind.String or JsonValueKind.Number
                        ? UnicodeOf(property.Value.ToString)
                        : throw ApiException.Invalid(name, $"The field '{name}' must be a text or a number."));
            }
        }
        else if (http.Request.HasFormContentType)
        {
            var form = await ReadFormAsync(http, limits).ConfigureAwait(false);
            foreach (var (name, values) in form)
                Add(name, values.Count == 1 ? values[0]!
                    : throw ApiException.Invalid(name, $"The field '{name}' is given {values.Count} times."));

            foreach (var file in form.Files)
            {
                if (!UploadedImage.Fields.Contains(file.Name))
                    throw ApiException.Invalid(file.Name,
                        $"Files are taken in the fields {string.Join(" and ", UploadedImage.Fields.Select(f => $"'{f}'"))} alone.");

                using var buffer = new MemoryStream();
                await file.CopyToAsync(buffer, http.RequestAborted).ConfigureAwait(false);
                AddImage(file.Name, buffer.GetBuffer().AsMemory(0, (int)buffer.Length));
            }

            foreach (var field in UploadedImage.Fields)
            {
                if (fields.Remove(field, out var text))
                    AddImage(field, FromDataUrl(field, text));
            }
        }
        else
        {
            throw new ApiException(415, "unsupported_media_type", "Send the request as multipart/form-data or application/json.");
        }

        return (fields, images);

        void AddImage(string field, ReadOnlyMemory<byte> bytes)
        {
            if (!images.TryAdd(field, UploadedImage.Of(field, bytes, limits)))
                throw ApiException.Invalid(field, $"One image is taken in the field '{field}'.");
        }

        void Add(string name, string value)
        {
            if (!RequestField.Exists(name))
                throw Unknown(name);
            if (!fields.TryAdd(name, value))
                throw ApiException.Invalid(name, $"The field '{name}' is given twice.");
        }
    }

    private static async Task<JsonDocument> ReadJsonAsync(HttpContext http)
    {
        try
        {
            var json = await JsonDocument.ParseAsync(http.Request.Body, new JsonDocumentOptions { MaxDepth = 4 }, http.RequestAborted)
                .ConfigureAwait(false);
            if (json.RootElement.ValueKind == JsonValueKind.Object)
                return json;

            json.Dispose();
            throw new ApiException(400, "invalid_json", "The body must be a JSON object.");
        }
        catch (JsonException exception)
        {
            throw new ApiException(400, "invalid_json", $"The body is not valid JSON (line {exception.LineNumber + 1}).");
        }
    }

    // Half of a surrogate pair, or bytes that are no UTF-8, are found when a text is asked for.
    private static string UnicodeOf(Func<string?> text)
    {
        try
        {
            return text()!;
        }
        catch (InvalidOperationException)
        {
            throw new ApiException(400, "invalid_json", "The body has a text that is not Unicode.");
        }
    }

    private static async Task<IFormCollection> ReadFormAsync(HttpContext http, VideoServiceOptions limits)
    {
        var form = new FormFeature(http.Request, new FormOptions
        {
            ValueCountLimit = RequestField.All.Count,
            KeyLengthLimit = MaxFieldNameLength,
            ValueLengthLimit = (int)Math.Min(int.MaxValue, MaxBody(limits)),
            MultipartBodyLengthLimit = MaxBody(limits),
            // In memory, which the limit of the body bounds: no file of an upload is ever written but the images.
            MemoryBufferThreshold = (int)Math.Min(int.MaxValue, MaxBody(limits)),
        });
        try
        {
            return await form.ReadFormAsync(http.RequestAborted).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException and not BadHttpRequestException)
        {
            throw new ApiException(400, "invalid_form", $"The form cannot be read: {exception.Message}");
        }
    }

    // As a data URL, or as OpenAI's {"image_url": data URL}. Addresses and paths are never opened.
    private static byte[] FromJson(string field, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => FromDataUrl(field, UnicodeOf(value.GetString)),
        JsonValueKind.Object when value.TryGetProperty("image_url", out var url)
            && url.ValueKind == JsonValueKind.String => FromDataUrl(field, UnicodeOf(url.GetString)),
        _ => throw ApiException.Invalid(field, "The image must be a data URL, such as data:image/png;base64,…."),
    };

    private static byte[] FromDataUrl(string field, string text)
    {
        const string Marker = ";base64,";
        var start = text.IndexOf(Marker, StringComparison.Ordinal);
        if (!text.StartsWith("data:image/", StringComparison.Ordinal) || start < 0)
        {
            throw ApiException.Invalid(
                field,
                "The image must be sent itself, as a file of the form or as a data URL (data:image/png;base64,…); no address or path is "
                    + "opened.");
        }

        try
        {
            return Convert.FromBase64String(text[(start + Marker.Length)..]);
        }
        catch (FormatException)
        {
            throw ApiException.Invalid(field, "The image's data URL is not valid base64.");
        }
    }

    private static string Prompt(Dictionary<string, string> fields, VideoServiceOptions limits) =>
        Text(fields, RequestField.Prompt, limits) is { } prompt && !string.IsNullOrWhiteSpace(prompt) ? prompt
            : throw ApiException.Invalid(RequestField.Prompt, "The prompt is empty; describe the video.");

    private static string? Text(Dictionary<string, string> fields, string name, VideoServiceOptions limits)
    {
        var most = (int)RequestField.Of(name).Most!(limits);
        return fields.GetValueOrDefault(name) is not { Length: > 0 } text ? null
            : text.Length <= most ? text
            : throw ApiException.Invalid(name, $"The field '{name}' has {text.Length} characters; at most {most} are accepted.");
    }

    private static T? Number<T>(Dictionary<string, string> fields, string name, VideoServiceOptions limits)
        where T : struct, System.Numerics.INumber<T>
    {
        if (fields.GetValueOrDefault(name) is not { Length: > 0 } text)
            return null;

        var field = RequestField.Of(name);
        var (least, most) = (T.CreateChecked(field.Least), T.CreateChecked(field.Most!(limits)));
        return T.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw ApiException.Invalid(
                name, string.Create(CultureInfo.InvariantCulture, $"The field '{name}' must be a number from {least} to {most}."));
    }

    private static (int? Width, int? Height) Size(Dictionary<string, string> fields, VideoServiceOptions limits)
    {
        if (Text(fields, RequestField.Size, limits) is not { Length: > 0 } text)
            return (null, null);

        return text.Split('x') is [var first, var second]
            && int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out var width)
            && int.TryParse(second, NumberStyles.None, CultureInfo.InvariantCulture, out var height)
            && width > 0 && height > 0
            ? (long)width * height <= limits.MaxFramePixels ? (width, height)
                : throw ApiException.Invalid(RequestField.Size,
                    $"The size {width}x{height} is too large; at most {limits.MaxFramePixels} pixels are accepted.")
            : throw ApiException.Invalid(RequestField.Size, "The size must be width and height in pixels, such as 832x480.");
    }

    private static string? IdempotencyKey(HttpContext http) =>
        http.Request.Headers["Idempotency-Key"].ToString() is not { Length: > 0 } key ? null
            : key.Length <= MaxIdempotencyKeyLength ? key
            : throw ApiException.Invalid("Idempotency-Key", $"The idempotency key is longer than {MaxIdempotencyKeyLength} characters.");

    private static ApiException Unknown(string name)
    {
        var shown = name.Length <= MaxFieldNameLength ? name : name[..MaxFieldNameLength];
        var known = string.Join(", ", RequestField.All.Select(field => field.Name));
        return new ApiException(400, "unknown_parameter", $"The field '{shown}' is unknown; known are {known}.", shown);
    }
}
