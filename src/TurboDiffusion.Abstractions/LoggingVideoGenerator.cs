using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Logs calls: their beginning and end at <see cref="LogLevel.Debug"/>, failures at <see cref="LogLevel.Error"/>, and
/// prompts, options and results at <see cref="LogLevel.Trace"/>. Image and video bytes are never logged.
/// </summary>
/// <param name="innerGenerator">The generator to pass calls on to.</param>
/// <param name="logger">Where to log.</param>
public partial class LoggingVideoGenerator(IVideoGenerator innerGenerator, ILogger logger)
    : DelegatingVideoGenerator(innerGenerator)
{
    private readonly ILogger _logger = logger ?? throw new ArgumentNullException(nameof(logger));
    private JsonSerializerOptions _jsonSerializerOptions = VideoJsonUtilities.DefaultOptions;

    /// <summary>How options are written at <see cref="LogLevel.Trace"/>; it must know the types of their properties.</summary>
    /// <exception cref="ArgumentNullException">The value is <see langword="null"/>.</exception>
    public JsonSerializerOptions JsonSerializerOptions
    {
        get => _jsonSerializerOptions;
        set => _jsonSerializerOptions = value ?? throw new ArgumentNullException(nameof(value));
    }

    /// <inheritdoc/>
    public override async Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        LogStart(nameof(GenerateAsync), request, options);
        try
        {
            var response = await base.GenerateAsync(request, options, cancellationToken).ConfigureAwait(false);
            if (_logger.IsEnabled(LogLevel.Trace))
                LogCompletedSensitive(nameof(GenerateAsync), RequestJson.Describe(response.Contents).ToJsonString());
            else
                LogCompleted(nameof(GenerateAsync));

            return response;
        }
        catch (Exception exception)
        {
            LogEnd(nameof(GenerateAsync), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    public override async IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        const string Name = nameof(GenerateStreamingAsync);
        LogStart(Name, request, options);
        IAsyncEnumerator<VideoGenerationResponseUpdate>? updates = null;
        try
        {
            while (true)
            {
                try
                {
                    updates ??= base.GenerateStreamingAsync(request, options, cancellationToken)
                        .GetAsyncEnumerator(cancellationToken);
                    if (!await updates.MoveNextAsync().ConfigureAwait(false))
                        break;
                }
                catch (Exception exception)
                {
                    LogEnd(Name, exception);
                    throw;
                }

                LogUpdate(updates.Current);
                yield return updates.Current;
            }
        }
        finally
        {
            if (updates is not null)
                await updates.DisposeAsync().ConfigureAwait(false);
        }

        LogCompleted(Name);
    }

    private void LogStart(string method, VideoGenerationRequest request, VideoGenerationOptions? options)
    {
        if (_logger.IsEnabled(LogLevel.Trace))
            LogInvokedSensitive(method, RequestJson.Describe(request, options, _jsonSerializerOptions).ToJsonString());
        else
            LogInvoked(method);
    }

    private void LogUpdate(VideoGenerationResponseUpdate update)
    {
        const string Name = nameof(GenerateStreamingAsync);
        if (_logger.IsEnabled(LogLevel.Trace))
            LogUpdateSensitive(Name, update.Kind, update.Progress, RequestJson.Describe(update.Contents).ToJsonString());
        else
            LogUpdate(Name, update.Kind);
    }

    private void LogEnd(string method, Exception exception)
    {
        if (exception is OperationCanceledException)
            LogCanceled(method);
        else
            LogFailed(method, exception);
    }

    [LoggerMessage(LogLevel.Debug, "{MethodName} invoked.")]
    private partial void LogInvoked(string methodName);

    [LoggerMessage(LogLevel.Trace, "{MethodName} invoked: {Request}.")]
    private partial void LogInvokedSensitive(string methodName, string request);

    [LoggerMessage(LogLevel.Debug, "{MethodName} completed.")]
    private partial void LogCompleted(string methodName);

    [LoggerMessage(LogLevel.Trace, "{MethodName} completed: {Contents}.")]
    private partial void LogCompletedSensitive(string methodName, string contents);

    [LoggerMessage(LogLevel.Debug, "{MethodName} yielded an update: {Kind}.")]
    private partial void LogUpdate(string methodName, VideoGenerationResponseUpdateKind kind);

    [LoggerMessage(LogLevel.Trace, "{MethodName} yielded an update: {Kind}, {Progress}, {Contents}.")]
    private partial void LogUpdateSensitive(
        string methodName, VideoGenerationResponseUpdateKind kind, VideoGenerationProgress? progress, string contents);

    [LoggerMessage(LogLevel.Debug, "{MethodName} canceled.")]
    private partial void LogCanceled(string methodName);

    [LoggerMessage(LogLevel.Error, "{MethodName} failed.")]
    private partial void LogFailed(string methodName, Exception exception);
}
