using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace TurboDiffusion.AspNetCore.Page;

/// <summary>The files of the page, as they are in this assembly.</summary>
internal static class VideoPage
{
    // Nothing but the page's own files, the API beside it, and pictures and videos that it has loaded with the key.
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src blob:; connect-src 'self'; "
        + "form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

    /// <summary>The page, for an API at a place and with its limits.</summary>
    public static byte[] Html(string api, VideoServiceOptions limits) => Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(File("index.html"))
        .Replace("{api}", HtmlEncoder.Default.Encode(api), StringComparison.Ordinal)
        .Replace("{max-prompt}", limits.MaxPromptLength.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{max-steps}", limits.MaxSteps.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));

    /// <summary>One of its other files.</summary>
    public static byte[] File(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"{typeof(VideoPage).Namespace}.{name}")
            ?? throw new InvalidOperationException($"The page's file {name} is missing from the assembly.");
        using var buffer = new MemoryStream();
        stream.CopyTo(buffer);
        return buffer.ToArray();
    }

    /// <summary>Answers with a file, which a browser asks for again only to learn that it has not changed.</summary>
    public static Func<HttpContext, IResult> Answer(byte[] content, string mediaType)
    {
        var tag = new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(content))[..32]}\"");
        return http =>
        {
            var headers = http.Response.Headers;
            headers.ContentSecurityPolicy = ContentSecurityPolicy;
            headers.XContentTypeOptions = "nosniff";
            headers["Referrer-Policy"] = "no-referrer";
            headers.CacheControl = "no-cache";
            return Results.Bytes(content, mediaType, entityTag: tag);
        };
    }
}
