using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Xml.Linq;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>
/// An object store in memory: as much of S3's protocol as the store of videos speaks. Who asks is not checked; that the body is the one
/// that was signed is.
/// </summary>
internal sealed class S3Server : IAsyncDisposable
{
    // Small, so that lists have several pages.
    private const int PageSize = 3;

    private readonly WebApplication _app;

    private S3Server(WebApplication app) => _app = app;

    public string Address => _app.Urls.First();

    /// <summary>What is stored, by bucket and key.</summary>
    public ConcurrentDictionary<string, byte[]> Objects { get; } = [];

    /// <summary>Refuses everything, as a store that is down does.</summary>
    public bool IsDown { get; set; }

    /// <summary>Refuses to store objects whose keys end so, with <see cref="Refusal"/>.</summary>
    public string? RefusedKeys { get; set; }

    /// <summary>The status and the code of the refusal.</summary>
    public (int Status, string Code) Refusal { get; set; }

    public static async Task<S3Server> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var server = new S3Server(app);
        app.Run(server.AnswerAsync);
        await app.StartAsync();
        return server;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext http)
    {
        var key = http.Request.Path.Value!.TrimStart('/');
        var answer = http.Request.Method switch
        {
            _ when IsDown => Results.StatusCode(503),
            "PUT" when RefusedKeys is { } end && key.EndsWith(end, StringComparison.Ordinal) => Error(Refusal.Status, Refusal.Code),
            "PUT" => await PutAsync(key, http.Request),
            "DELETE" => Delete(key),
            "GET" when http.Request.Query.ContainsKey("list-type") => List(key.TrimEnd('/'), http.Request.Query),
            "GET" or "HEAD" => Get(key),
            _ => Results.StatusCode(501),
        };
        await answer.ExecuteAsync(http);
    }

    private async Task<IResult> PutAsync(string key, HttpRequest request)
    {
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body);
        var hash = Convert.ToHexStringLower(SHA256.HashData(body.ToArray()));
        if (request.Headers["x-amz-content-sha256"] != hash || !request.Headers.Authorization.ToString().StartsWith("AWS4-HMAC-SHA256 "))
            return Error(400, "XAmzContentSHA256Mismatch");

        Objects[key] = body.ToArray();
        return Results.Ok();
    }

    private IResult Delete(string key)
    {
        Objects.TryRemove(key, out _);
        return Results.NoContent();
    }

    private IResult Get(string key)
    {
        if (!Objects.TryGetValue(key, out var bytes))
            return Error(404, "NoSuchKey");

        var etag = new Microsoft.Net.Http.Headers.EntityTagHeaderValue($"\"{Convert.ToHexStringLower(MD5.HashData(bytes))}\"");
        return Results.File(bytes, "application/octet-stream", entityTag: etag, enableRangeProcessing: true);
    }

    private IResult List(string bucket, IQueryCollection query)
    {
        var prefix = query["prefix"].ToString();
        string[] names = [.. Objects.Keys.Where(key => key.StartsWith($"{bucket}/{prefix}", StringComparison.Ordinal))
            .Select(key => key[(bucket.Length + 1)..])
            .Select(key => query["delimiter"] == "/" && key.IndexOf('/', prefix.Length) is >= 0 and var end ? key[..(end + 1)] : key)
            .Distinct().Order(StringComparer.Ordinal)
            .Where(key => string.CompareOrdinal(key, query["continuation-token"].ToString()) > 0)];
        var page = names.Take(PageSize).ToArray();
        XNamespace s3 = "http://s3.amazonaws.com/doc/2006-03-01/";
        var list = new XElement(s3 + "ListBucketResult",
            new XElement(s3 + "IsTruncated", names.Length > PageSize),
            names.Length > PageSize ? new XElement(s3 + "NextContinuationToken", page[^1]) : null,
            page.Where(name => !name.EndsWith('/')).Select(name => new XElement(s3 + "Contents", new XElement(s3 + "Key", name))),
            page.Where(name => name.EndsWith('/'))
                .Select(name => new XElement(s3 + "CommonPrefixes", new XElement(s3 + "Prefix", name))));
        return Results.Text(list.ToString(), "application/xml");
    }

    private static IResult Error(int status, string code) =>
        Results.Text($"<Error><Code>{code}</Code><Message>{code}</Message></Error>", "application/xml", statusCode: status);
}
