using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TurboDiffusion.Extensions.AI;

// The namespace in which users look for registrations.
#pragma warning disable IDE0130
namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers the TurboDiffusion engine as an <see cref="IVideoGenerator"/>.</summary>
public static class TurboDiffusionServiceCollectionExtensions
{
    /// <summary>
    /// Registers the generator: one for the application, loaded at the first request and disposed with the host. The
    /// options are checked when the host starts.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options; without it the default model is used.</param>
    /// <returns>A builder that adds decorators.</returns>
    public static VideoGeneratorBuilder AddTurboDiffusion(
        this IServiceCollection services, Action<TurboDiffusionOptions>? configure = null) =>
        services.AddOptions(Options.Options.DefaultName, configure).AddVideoGenerator(Factory(Options.Options.DefaultName));

    /// <summary>Registers the generator with options from the configuration; see the other overload.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configuration">A section with the properties of <see cref="TurboDiffusionOptions"/>.</param>
    /// <returns>A builder that adds decorators.</returns>
    public static VideoGeneratorBuilder AddTurboDiffusion(this IServiceCollection services, IConfiguration configuration) =>
        services.AddOptions(Options.Options.DefaultName, configuration).AddVideoGenerator(Factory(Options.Options.DefaultName));

    /// <summary>Registers the generator under a key, for an application with several models.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key; also the name of the options.</param>
    /// <param name="configure">Sets the options; without it the default model is used.</param>
    /// <returns>A builder that adds decorators.</returns>
    public static VideoGeneratorBuilder AddKeyedTurboDiffusion(
        this IServiceCollection services, string serviceKey, Action<TurboDiffusionOptions>? configure = null) =>
        services.AddOptions(serviceKey, configure).AddKeyedVideoGenerator(serviceKey, Factory(serviceKey));

    /// <summary>Registers the generator under a key with options from the configuration.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key; also the name of the options.</param>
    /// <param name="configuration">A section with the properties of <see cref="TurboDiffusionOptions"/>.</param>
    /// <returns>A builder that adds decorators.</returns>
    public static VideoGeneratorBuilder AddKeyedTurboDiffusion(
        this IServiceCollection services, string serviceKey, IConfiguration configuration) =>
        services.AddOptions(serviceKey, configuration).AddKeyedVideoGenerator(serviceKey, Factory(serviceKey));

    /// <summary>Adds a health check of the generator.</summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="name">The name of the check.</param>
    /// <param name="serviceKey">The key of the generator; <see langword="null"/> takes the one without a key.</param>
    /// <returns><paramref name="builder"/>.</returns>
    public static IHealthChecksBuilder AddTurboDiffusion(
        this IHealthChecksBuilder builder, string name = "turbodiffusion", string? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new HealthCheckRegistration(
            name,
            services => new TurboDiffusionHealthCheck(services.GetRequiredKeyedService<IVideoGenerator>(serviceKey)),
            failureStatus: null,
            tags: null));
    }

    private static IServiceCollection AddOptions(
        this IServiceCollection services, string name, Action<TurboDiffusionOptions>? configure)
    {
        var options = services.AddCheckedOptions(name);
        if (configure is not null)
            options.Configure(configure);

        return services;
    }

    private static IServiceCollection AddOptions(
        this IServiceCollection services, string name, IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        services.AddCheckedOptions(name).Bind(configuration, binder => binder.ErrorOnUnknownConfiguration = true);
        return services;
    }

    private static OptionsBuilder<TurboDiffusionOptions> AddCheckedOptions(this IServiceCollection services, string name)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(name);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<TurboDiffusionOptions>, TurboDiffusionOptionsValidator>());
        return services.AddOptions<TurboDiffusionOptions>(name).ValidateOnStart();
    }

    private static Func<IServiceProvider, IVideoGenerator> Factory(string name) => services => new TurboDiffusionVideoGenerator(
        services.GetRequiredService<IOptionsMonitor<TurboDiffusionOptions>>().Get(name),
        services.GetService<ILogger<TurboDiffusionVideoGenerator>>());
}
