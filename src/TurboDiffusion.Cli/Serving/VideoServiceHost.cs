using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Scalar.AspNetCore;
using TurboDiffusion.AspNetCore;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Orleans;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Cli.Serving;

/// <summary>The service that <c>serve</c> runs: the API, the page, MCP, documents of the API, health and telemetry.</summary>
internal static class VideoServiceHost
{
    private const string Api = "/v1";
    private const string OtlpVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>Builds it.</summary>
    /// <param name="listen">The address to listen at.</param>
    /// <param name="settings">A JSON file with the sections TurboDiffusion, VideoService, VideoFiles and VideoCluster, or null.</param>
    /// <param name="engine">Changes how the model is run.</param>
    /// <param name="service">Changes what is accepted and kept.</param>
    /// <param name="cluster">Changes how it belongs to a cluster; it does where a Redis is named.</param>
    public static WebApplication Build(string listen, string? settings, Action<TurboDiffusionOptions> engine,
        Action<VideoServiceOptions> service, Action<VideoClusterOptions> cluster)
    {
        // Not the current folder's settings: only those that are named, and the environment's.
        WebApplicationBuilder builder =
            WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        if (settings is not null) ServiceSettings.Add(builder.Configuration, settings);
        builder.Configuration.AddEnvironmentVariables();
        builder.WebHost.UseUrls(listen);
        builder.Logging.ClearProviders();
        builder.Logging.AddSimpleConsole(options => (options.SingleLine, options.TimestampFormat, options.ColorBehavior) =
            (true, "HH:mm:ss ", LoggerColorBehavior.Disabled));
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        // Nothing is encrypted: API keys are compared, and there are no cookies.
        builder.Logging.AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
        builder.Services.Configure<ConsoleLoggerOptions>(options => options.LogToStandardErrorThreshold = LogLevel.Trace);

        builder.Services.AddTurboDiffusion(builder.Configuration.GetSection(ServiceSettings.Engine)).UseLogging().UseOpenTelemetry();
        builder.Services.PostConfigure(engine);
        VideoClusterRole? role = Join(builder, cluster);
        IConfigurationSection files = builder.Configuration.GetSection(ServiceSettings.Files);
        if (files.Exists()) builder.Services.AddS3VideoFiles(files);
        builder.Services.AddVideoService(builder.Configuration.GetSection(ServiceSettings.Service));
        builder.Services.PostConfigure(service);
        builder.Services.AddOpenApi();
        builder.Services.AddHttpContextAccessor();
        builder.Services.AddMcpServer().WithHttpTransport().WithVideoGeneration(generator: Jobs);
        AddTelemetry(builder.Services);

        WebApplication app = builder.Build();
        app.MapVideoServiceHealth();
        app.MapPrometheusScrapingEndpoint("/metrics").RequireAuthorization(VideoServiceDefaults.Policy);
        if (role == VideoClusterRole.Worker) return app;
        app.MapVideoGeneration(Api);
        app.MapVideoGenerationPage(api: Api);
        app.MapMcp("/mcp").RequireVideoServiceAccess();
        app.MapOpenApi();
        // No fonts and no proxy of others: the page asks this service alone.
        app.MapScalarApiReference(options => (options.DefaultFonts, options.ProxyUrl) = (false, null));
        return app;
    }

    /// <summary>Makes it part of a cluster, where one is named.</summary>
    private static VideoClusterRole? Join(WebApplicationBuilder builder, Action<VideoClusterOptions> configure)
    {
        VideoClusterOptions options = new();
        Set(options);
        if (options.Redis is null) return null;
        // Orleans tells of every step of its start and of every machine that it cannot reach.
        builder.Logging.AddFilter("Orleans", LogLevel.Error);
        builder.UseVideoCluster(Set);
        return options.Role;

        void Set(VideoClusterOptions cluster)
        {
            builder.Configuration.GetSection(ServiceSettings.Cluster).Bind(cluster, binder => binder.ErrorOnUnknownConfiguration = true);
            configure(cluster);
            if (cluster.Role == VideoClusterRole.Front) return;
            foreach ((GpuDevice? gpu, int i) in GpuDevices.Ask().Gpus.Select((gpu, i) => (gpu, i)))
            {
                if (gpu is not null) cluster.Cards[$"cuda:{i} {gpu.Name}"] = gpu.Bytes;
            }
        }
    }

    private static void AddTelemetry(IServiceCollection services)
    {
        bool otlp = Environment.GetEnvironmentVariable(OtlpVariable) is { Length: > 0 };
        services.AddOpenTelemetry()
            .WithMetrics(metrics =>
            {
                metrics.AddMeter(VideoServiceDefaults.MeterName, OpenTelemetryVideoGenerator.DefaultSourceName)
                    .AddAspNetCoreInstrumentation().AddRuntimeInstrumentation().AddPrometheusExporter();
                if (otlp) metrics.AddOtlpExporter();
            })
            .WithTracing(traces =>
            {
                traces.AddSource(OpenTelemetryVideoGenerator.DefaultSourceName).AddAspNetCoreInstrumentation();
                if (otlp) traces.AddOtlpExporter();
            });
    }

    /// <summary>The caller's jobs as a generator: an MCP tool waits in the same queue and within the same limits as the API.</summary>
    private static JobsVideoGenerator Jobs(IServiceProvider services)
    {
        HttpContext http = services.GetRequiredService<IHttpContextAccessor>().HttpContext
            ?? throw new InvalidOperationException("The tool was called outside a request.");
        return new JobsVideoGenerator(
            services.GetRequiredService<IVideoJobs>(), http.User.Identity!.Name!,
            new Uri($"{http.Request.Scheme}://{http.Request.Host}{Api}"));
    }
}
