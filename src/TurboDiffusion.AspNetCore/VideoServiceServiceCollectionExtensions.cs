using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore;
using TurboDiffusion.AspNetCore.Endpoints;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.AspNetCore.Security;
using TurboDiffusion.AspNetCore.Telemetry;

// The namespace in which users look for registrations.
#pragma warning disable IDE0130
namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers a video service.</summary>
public static class VideoServiceServiceCollectionExtensions
{
    private const string DatabaseFile = "jobs.db";
    private const string VideosFolder = "videos";

    /// <summary>
    /// Registers what <c>MapVideoGeneration</c> needs, over the <see cref="TurboDiffusion.Extensions.AI.IVideoGenerator"/>s that
    /// are registered: jobs, which this process runs and a SQLite database keeps, a folder of videos, API keys and limits.
    /// An own <see cref="IVideoJobStore"/>, <see cref="IVideoFileStore"/> or <see cref="IVideoJobs"/> that is registered before
    /// is used in place of them.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options.</param>
    /// <returns><paramref name="services"/>.</returns>
    public static IServiceCollection AddVideoService(this IServiceCollection services, Action<VideoServiceOptions>? configure = null)
    {
        var options = services.AddVideoServiceCore();
        if (configure is not null)
            options.Configure(configure);

        return services;
    }

    /// <summary>Registers the service with options from the configuration; see the other overload.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configuration">A section with the properties of <see cref="VideoServiceOptions"/>.</param>
    /// <returns><paramref name="services"/>.</returns>
    public static IServiceCollection AddVideoService(this IServiceCollection services, IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        services.AddVideoServiceCore().Bind(configuration, binder => binder.ErrorOnUnknownConfiguration = true);
        return services;
    }

    private static OptionsBuilder<VideoServiceOptions> AddVideoServiceCore(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IVideoFileStore>(provider => new FolderVideoFileStore(Path.Combine(DataFolder(provider), VideosFolder)));
        services.TryAddSingleton<VideoModelCatalog>();
        services.TryAddSingleton<SubmissionCheck>();
        services.TryAddSingleton<VideoJobRunner>();
        services.TryAddSingleton<JobMetrics>();
        if (services.All(service => service.ServiceType != typeof(IVideoJobs)))
        {
            services.TryAddSingleton<IVideoJobStore>(provider => new SqliteVideoJobStore(Path.Combine(DataFolder(provider), DatabaseFile)));
            services.AddSingleton<LiveJobs>();
            services.AddSingleton<JobDurations>();
            services.AddSingleton<IVideoJobs, LocalVideoJobs>();
            services.AddHostedService<VideoJobDispatcher>();
        }

        services.TryAddSingleton<ApiErrors>();
        services.TryAddSingleton<RequestRate>();
        services.AddHealthChecks().AddCheck<VideoServiceHealthCheck>("videos", tags: [VideoServiceHealthCheck.Tag]);
        services.AddMetrics();
        services.AddAuthentication().AddScheme<AuthenticationSchemeOptions, ApiKeyHandler>(ApiKeyHandler.SchemeName, null);
        services.AddAuthorization(authorization => authorization.AddPolicy(
            VideoServiceDefaults.Policy, policy => policy.AddAuthenticationSchemes(ApiKeyHandler.SchemeName).RequireAuthenticatedUser()));
        services.AddHostedService<OpenDoorNotice>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<VideoServiceOptions>, VideoServiceOptionsValidator>());
        return services.AddOptions<VideoServiceOptions>().ValidateOnStart();
    }

    private static string DataFolder(IServiceProvider provider) =>
        provider.GetRequiredService<IOptions<VideoServiceOptions>>().Value.DataFolder is { Length: > 0 } folder ? Path.GetFullPath(folder)
            : Path.Combine(
                Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify),
                "turbodiffusion",
                "service");
}
