using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore;
using TurboDiffusion.AspNetCore.Endpoints;
using TurboDiffusion.AspNetCore.Page;
using TurboDiffusion.AspNetCore.Security;
using TurboDiffusion.AspNetCore.Telemetry;

// The namespace in which users look for endpoints.
#pragma warning disable IDE0130
namespace Microsoft.AspNetCore.Builder;

/// <summary>Maps the endpoints of a video service.</summary>
public static class VideoServiceEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Maps <c>/videos</c> and <c>/models</c> as OpenAI's API has them, with <c>/videos/{id}/events</c> beside them. All need an
    /// API key, or where the service has none, a caller on the same machine.
    /// </summary>
    /// <param name="endpoints">The application.</param>
    /// <param name="prefix">Where.</param>
    /// <returns>The endpoints, to add conventions to.</returns>
    public static RouteGroupBuilder MapVideoGeneration(this IEndpointRouteBuilder endpoints, string prefix = "/v1")
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        var options = endpoints.ServiceProvider.GetRequiredService<IOptions<VideoServiceOptions>>().Value;
        var group = endpoints.MapGroup(prefix)
            .AddEndpointFilter(endpoints.ServiceProvider.GetRequiredService<ApiErrors>())
            .RequireVideoServiceAccess()
            .WithMetadata(new RequestSizeLimitAttribute(VideoRequestReader.MaxBody(options)))
            .WithTags("Videos")
            .Refuses();
        string[] read = [HttpMethods.Get, HttpMethods.Head];
        group.MapPost("/videos", VideoHandlers.CreateAsync)
            .WithSummary("Asks for a video.")
            .WithName("createVideo")
            .Takes(options, RequestField.All)
            .Answers(WireJson.Default.VideoResource, "The video as it stands: queued.");
        group.MapGet("/videos", VideoHandlers.ListAsync)
            .WithSummary("Lists your videos.")
            .WithName("listVideos")
            .Answers(WireJson.Default.VideoListResource, "A page of them.");
        group.MapGet("/videos/{id}", VideoHandlers.FindAsync)
            .WithSummary("Tells how a video stands.")
            .WithName("getVideo")
            .Answers(WireJson.Default.VideoResource, "The video as it stands.");
        group.MapDelete("/videos/{id}", VideoHandlers.DeleteAsync)
            .WithSummary("Deletes a video; one that is being made is cancelled.")
            .WithName("deleteVideo")
            .Answers(WireJson.Default.VideoDeletedResource, "It is deleted.");
        group.MapMethods("/videos/{id}/content", read, VideoHandlers.ContentAsync)
            .WithSummary("Downloads a finished video, its thumbnail or its spritesheet.")
            .WithName("downloadVideo")
            .Answers(["video/mp4", "video/webm", "image/gif", "image/webp"], "The file, or with a Range header (206) a part of it.");
        group.MapPost("/videos/{id}/remix", VideoHandlers.RemixAsync)
            .WithSummary("Asks for the same video with another prompt.")
            .WithName("remixVideo")
            .Takes(options, [RequestField.Of(RequestField.Prompt)])
            .Answers(WireJson.Default.VideoResource, "The new video as it stands: queued.");
        group.MapGet("/videos/{id}/events", VideoHandlers.EventsAsync)
            .WithSummary("Tells, as server-sent events, how a video goes on.")
            .WithName("watchVideo")
            .Answers(["text/event-stream"], "video.progress, video.preview and, last, video.completed or video.failed.");
        group.MapGet("/models", VideoHandlers.ModelsAsync)
            .WithSummary("Lists the models.")
            .WithName("listModels")
            .Answers(WireJson.Default.ModelListResource, "The models; the first is the default.");
        // What is not there has an error of the same form; without a prefix, it is the application's to say.
        if (prefix.Trim('/').Length > 0)
            group.MapFallback("{*path}", VideoHandlers.Nothing).ExcludeFromDescription();

        return group;
    }

    /// <summary>
    /// Lets in whom the API lets in, and as often: an API key, or where the service has none, a caller on the same machine, whose requests
    /// count with those to the API (<see cref="VideoServiceOptions.MaxRequestsPerMinute"/>). One too many is answered with 429 in the API's
    /// form, with <c>Retry-After</c>.
    /// </summary>
    /// <param name="endpoints">What is guarded, such as an MCP server's endpoints.</param>
    /// <returns>The same, to add conventions to.</returns>
    public static TBuilder RequireVideoServiceAccess<TBuilder>(this TBuilder endpoints)
        where TBuilder : IEndpointConventionBuilder =>
        endpoints
            .AddEndpointFilterFactory((context, next) =>
            {
                var rate = context.ApplicationServices.GetRequiredService<RequestRate>();
                return invocation => rate.InvokeAsync(invocation, next);
            })
            .RequireAuthorization(VideoServiceDefaults.Policy);

    /// <summary>
    /// Maps the page that makes, shows and keeps videos in a browser. The page itself needs no key; it asks for one where the API
    /// needs it.
    /// </summary>
    /// <param name="endpoints">The application.</param>
    /// <param name="path">Where: <c>/</c>, or a path that ends in <c>/</c>.</param>
    /// <param name="api">Where <see cref="MapVideoGeneration"/> has mapped the API.</param>
    /// <returns>The endpoints, to add conventions to.</returns>
    public static RouteGroupBuilder MapVideoGenerationPage(this IEndpointRouteBuilder endpoints, string path = "/", string api = "/v1")
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        var options = endpoints.ServiceProvider.GetRequiredService<IOptions<VideoServiceOptions>>().Value;
        var group = endpoints.MapGroup(path).ExcludeFromDescription();
        group.MapGet("", VideoPage.Answer(VideoPage.Html(api, options), "text/html; charset=utf-8"));
        group.MapGet("page.css", VideoPage.Answer(VideoPage.File("page.css"), "text/css; charset=utf-8"));
        group.MapGet("page.js", VideoPage.Answer(VideoPage.File("page.js"), "text/javascript; charset=utf-8"));
        return group;
    }

    /// <summary>
    /// Maps <c>/live</c>, which answers while the process does, and <c>/ready</c>, which answers 503 while a health check with the
    /// tag <c>ready</c> fails. Both are open to everybody and tell nothing but that.
    /// </summary>
    /// <param name="endpoints">The application.</param>
    /// <param name="prefix">Where.</param>
    /// <returns>The endpoints, to add conventions to.</returns>
    public static RouteGroupBuilder MapVideoServiceHealth(this IEndpointRouteBuilder endpoints, string prefix = "/health")
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        var group = endpoints.MapGroup(prefix);
        group.MapHealthChecks("/live", new HealthCheckOptions { Predicate = _ => false });
        group.MapHealthChecks("/ready", new HealthCheckOptions { Predicate = check => check.Tags.Contains(VideoServiceHealthCheck.Tag) });
        return group;
    }
}
