using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Placement;
using Orleans.Runtime.MembershipService.SiloMetadata;
using Orleans.Serialization;
using Orleans.Storage;
using Orleans.Persistence;
using StackExchange.Redis;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.Orleans;
using TurboDiffusion.Orleans.Grains;
using TurboDiffusion.Orleans.Placement;
using TurboDiffusion.Orleans.Workers;

// The namespace in which users look for registrations.
#pragma warning disable IDE0130
namespace Microsoft.Extensions.Hosting;

/// <summary>Makes an application part of a cluster.</summary>
public static class VideoClusterHostApplicationBuilderExtensions
{
    private const int MissedProbes = 3;

    // Where grains were last. Orleans' own million takes 18 MB of every process before the first job, and keeps jobs that left memory long
    // ago; a job that is not in it is one call more.
    private const int KnownPlaces = 10_000;

    /// <summary>
    /// Makes the application a member of a cluster of video services: its jobs are the cluster's, and as a worker it runs them, with the
    /// generators that are registered. Call it before <c>AddVideoService</c>, whose data folder is one that all members see.
    /// </summary>
    /// <param name="builder">The application.</param>
    /// <param name="configure">Sets the options.</param>
    /// <returns><paramref name="builder"/>.</returns>
    /// <exception cref="OptionsValidationException">An option cannot be used.</exception>
    public static IHostApplicationBuilder UseVideoCluster(
        this IHostApplicationBuilder builder, Action<VideoClusterOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = new VideoClusterOptions();
        configure?.Invoke(options);
        if (new VideoClusterOptionsValidator().Validate(null, options) is { Failed: true } invalid)
            throw new OptionsValidationException(nameof(VideoClusterOptions), typeof(VideoClusterOptions), invalid.Failures);

        builder.Services.AddSingleton(Options.Options.Create(options));
        var clock = builder.Services.LastOrDefault(service => service.ServiceType == typeof(TimeProvider))?.ImplementationInstance;
        builder.Services.AddSingleton<TimeProvider>(new SteadyClock(clock as TimeProvider ?? TimeProvider.System));
        builder.Services.TryAddSingleton<IVideoJobs, OrleansVideoJobs>();
        builder.Services.AddSingleton<ClusterCounts>();
        builder.Services.AddSingleton<LongPoll>();
        builder.UseOrleans(silo => Configure(silo, options));
        // After the silo, so that it stops before it.
        if (options.Role != VideoClusterRole.Front)
            builder.Services.AddHostedService<VideoWorker>();

        return builder;
    }

    private static void Configure(ISiloBuilder silo, VideoClusterOptions options)
    {
        silo.Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (options.Name, options.Name));
        silo.Configure<ClusterMembershipOptions>(membership =>
        {
            membership.ProbeTimeout = options.DeathAfter / MissedProbes;
            membership.NumMissedProbesLimit = MissedProbes;
        });
        silo.Configure<GrainDirectoryOptions>(directory => directory.CacheSize = KnownPlaces);
        silo.UseSiloMetadata(new Dictionary<string, string> { [FrontEndsFirstDirector.RoleKey] = options.Role.ToString() });
        silo.Services.AddPlacementFilter<FrontEndsFirst, FrontEndsFirstDirector>(ServiceLifetime.Singleton);
        var json = new JsonSerializerOptions();
        VideoCluster.ConfigureJson(json);
        silo.Services.AddSerializer(serializer => serializer.AddJsonSerializer(IsOwn, json));
        silo.Services.Configure<SystemTextJsonGrainStorageSerializerOptions>(
            stored => VideoCluster.ConfigureJson(stored.JsonSerializerOptions));
        silo.Services.AddSingleton<IGrainStorageSerializer, SystemTextJsonGrainStorageSerializer>();

        var endPoint = SiloAddressOption.Resolve(options.Redis is null ? "127.0.0.1" : options.Address);
        if (options.Redis is null)
        {
            silo.UseLocalhostClustering(endPoint.Port, gatewayPort: 0, serviceId: options.Name, clusterId: options.Name);
            silo.AddMemoryGrainStorage(VideoCluster.Storage);
            silo.UseInMemoryReminderService();
            return;
        }

        // Only silos: no client of Orleans is let in.
        silo.ConfigureEndpoints(endPoint.Address, endPoint.Port, gatewayPort: 0);
        silo.UseRedisClustering(redis => redis.ConfigurationOptions = Redis(options));
        silo.AddRedisGrainStorage(VideoCluster.Storage, (RedisStorageOptions redis) =>
            (redis.ConfigurationOptions, redis.DeleteStateOnClear) = (Redis(options), true));
        silo.UseRedisReminderService(redis => redis.ConfigurationOptions = Redis(options));
    }

    private static ConfigurationOptions Redis(VideoClusterOptions options) =>
        RedisAddress.TryParse(options.Redis!, out var redis) ? redis : throw new InvalidOperationException("The options were checked.");

    private static bool IsOwn(Type type) =>
        type.Assembly == typeof(VideoJob).Assembly || type.Assembly == typeof(OrleansVideoJobs).Assembly;
}
