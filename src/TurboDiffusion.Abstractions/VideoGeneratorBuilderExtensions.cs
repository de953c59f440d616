using System.Threading.RateLimiting;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Adds decorators to a <see cref="VideoGeneratorBuilder"/>.</summary>
public static class VideoGeneratorBuilderExtensions
{
    /// <summary>Sets options on every call.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Changes a copy of the caller's options.</param>
    /// <returns>The builder.</returns>
    public static VideoGeneratorBuilder ConfigureOptions(
        this VideoGeneratorBuilder builder, Action<VideoGenerationOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        return builder.Use(inner => new ConfigureOptionsVideoGenerator(inner, configure));
    }

    /// <summary>Logs calls; without a logger factory the decorator is left out.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="loggerFactory">Where to log; <see langword="null"/> asks the services.</param>
    /// <param name="configure">Changes the decorator.</param>
    /// <returns>The builder.</returns>
    public static VideoGeneratorBuilder UseLogging(
        this VideoGeneratorBuilder builder,
        ILoggerFactory? loggerFactory = null,
        Action<LoggingVideoGenerator>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Use((inner, services) =>
        {
            var factory = loggerFactory ?? services.GetService<ILoggerFactory>();
            if (factory is null or NullLoggerFactory)
                return inner;

            var generator = new LoggingVideoGenerator(inner, factory.CreateLogger<LoggingVideoGenerator>());
            configure?.Invoke(generator);
            return generator;
        });
    }

    /// <summary>Emits spans and metrics by the GenAI semantic conventions of OpenTelemetry.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="loggerFactory">Where exceptions are logged; <see langword="null"/> asks the services.</param>
    /// <param name="sourceName">The name of source and meter; <see langword="null"/> takes
    /// <see cref="OpenTelemetryVideoGenerator.DefaultSourceName"/>.</param>
    /// <param name="configure">Changes the decorator.</param>
    /// <returns>The builder.</returns>
    public static VideoGeneratorBuilder UseOpenTelemetry(
        this VideoGeneratorBuilder builder,
        ILoggerFactory? loggerFactory = null,
        string? sourceName = null,
        Action<OpenTelemetryVideoGenerator>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Use((inner, services) =>
        {
            var logger = (loggerFactory ?? services.GetService<ILoggerFactory>())?.CreateLogger<OpenTelemetryVideoGenerator>();
            var generator = new OpenTelemetryVideoGenerator(inner, logger, sourceName);
            configure?.Invoke(generator);
            return generator;
        });
    }

    /// <summary>Returns the stored video for the same request, options and seed.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="storage">The store; <see langword="null"/> asks the services.</param>
    /// <param name="configure">Changes the decorator.</param>
    /// <returns>The builder.</returns>
    public static VideoGeneratorBuilder UseDistributedCache(
        this VideoGeneratorBuilder builder,
        IDistributedCache? storage = null,
        Action<DistributedCachingVideoGenerator>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Use((inner, services) =>
        {
            var generator = new DistributedCachingVideoGenerator(
                inner, storage ?? services.GetRequiredService<IDistributedCache>());
            configure?.Invoke(generator);
            return generator;
        });
    }

    /// <summary>Returns the stored video for the same request, options and seed; equal calls at the same time generate once.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="cache">The cache; <see langword="null"/> asks the services (<c>AddHybridCache()</c>).</param>
    /// <param name="configure">Changes the decorator.</param>
    /// <returns>The builder.</returns>
    public static VideoGeneratorBuilder UseHybridCache(
        this VideoGeneratorBuilder builder,
        HybridCache? cache = null,
        Action<HybridCachingVideoGenerator>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Use((inner, services) =>
        {
            var generator = new HybridCachingVideoGenerator(inner, cache ?? services.GetRequiredService<HybridCache>());
            configure?.Invoke(generator);
            return generator;
        });
    }

    /// <summary>Lets a limited number of calls through at a time; further calls wait in a bounded queue.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="maxConcurrent">Calls let through at a time, at least 1.</param>
    /// <param name="maxQueued">Calls that may wait; one more fails with <see cref="VideoGeneratorQueueFullException"/>.</param>
    /// <returns>The builder.</returns>
    public static VideoGeneratorBuilder UseConcurrencyLimit(
        this VideoGeneratorBuilder builder, int maxConcurrent, int maxQueued)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Use(inner => new ConcurrencyLimitingVideoGenerator(inner, maxConcurrent, maxQueued));
    }

    /// <summary>Lets calls through as a limiter says that other generators share.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="sharedLimiter">The shared queue.</param>
    /// <returns>The builder.</returns>
    public static VideoGeneratorBuilder UseConcurrencyLimit(
        this VideoGeneratorBuilder builder, RateLimiter sharedLimiter)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(sharedLimiter);
        return builder.Use(inner => new ConcurrencyLimitingVideoGenerator(inner, sharedLimiter));
    }
}
