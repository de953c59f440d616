using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.AspNetCore.Endpoints;

/// <summary>Errors in OpenAI's form: <c>{"error": {"message", "type", "param", "code"}}</c>.</summary>
internal sealed partial class ApiErrors(ILogger<ApiErrors> logger) : IEndpointFilter
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(30);

    /// <inheritdoc/>
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        try
        {
            return await next(context).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // Nobody reads the answer.
            return Results.StatusCode(StatusCodes.Status499ClientClosedRequest);
        }
        catch (ApiException exception)
        {
            return new Answer(exception);
        }
        catch (VideoJobRefusedException exception)
        {
            return new Answer(Refusal(exception));
        }
        catch (InvalidRequestException exception) when (RequestTranslation.FieldOf(exception.Parameter) is { } field)
        {
            return new Answer(ApiException.Invalid(field, exception.Message));
        }
        catch (BadHttpRequestException exception)
        {
            return new Answer(new ApiException(
                exception.StatusCode,
                exception.StatusCode == StatusCodes.Status413PayloadTooLarge ? "request_too_large" : "invalid_request",
                exception.Message));
        }
        catch (EnvironmentException exception)
        {
            // What it is, and where, is for whoever runs the service.
            LogFailed(http.Request.Path, exception);
            return new Answer(new ApiException(
                503, "unavailable", "The service cannot take this request now: its machine lacks something that it needs.",
                retryAfter: RetryDelay));
        }
        catch (Exception exception)
        {
            LogFailed(http.Request.Path, exception);
            return new Answer(new ApiException(500, "server_error", "The service failed; the request may be tried again."));
        }
    }

    /// <summary>An error as the result of an endpoint.</summary>
    public static IResult AnswerOf(ApiException error) => new Answer(error);

    /// <summary>Writes an error as the answer.</summary>
    public static Task WriteAsync(HttpContext http, ApiException error)
    {
        http.Response.StatusCode = error.Status;
        if (error.RetryAfter is { } wait)
            http.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);

        var body = new ErrorResource(new ErrorBody(error.Message, TypeOf(error.Status), error.Parameter, error.Code));
        return http.Response.WriteAsJsonAsync(body, WireJson.Default.ErrorResource, contentType: null, http.RequestAborted);
    }

    private static ApiException Refusal(VideoJobRefusedException exception) => exception.Refusal switch
    {
        VideoJobRefusal.UnknownModel => new(404, "model_not_found", exception.Message, "model"),
        VideoJobRefusal.QueueFull => new(429, "queue_full", exception.Message, retryAfter: exception.RetryAfter),
        VideoJobRefusal.OwnerQueueFull => new(429, "too_many_videos", exception.Message, retryAfter: exception.RetryAfter),
        VideoJobRefusal.IdempotencyKeyReused => new(422, "idempotency_key_reused", exception.Message, "Idempotency-Key"),
        VideoJobRefusal.Unavailable => new(503, "unavailable", exception.Message, retryAfter: exception.RetryAfter),
        _ => new(400, "refused", exception.Message),
    };

    private static string TypeOf(int status) => status switch
    {
        429 => "rate_limit_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };

    [LoggerMessage(LogLevel.Error, "The request {Path} failed.")]
    private partial void LogFailed(string path, Exception exception);

    private sealed class Answer(ApiException error) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext) => WriteAsync(httpContext, error);
    }
}
