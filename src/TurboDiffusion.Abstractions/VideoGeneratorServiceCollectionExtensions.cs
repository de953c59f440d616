using TurboDiffusion.Extensions.AI;

// The namespace in which users look for registrations.
#pragma warning disable IDE0130
namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers video generators.</summary>
public static class VideoGeneratorServiceCollectionExtensions
{
    /// <summary>Registers a generator.</summary>
    /// <param name="services">The services.</param>
    /// <param name="innerGenerator">The innermost generator.</param>
    /// <param name="lifetime">
    /// The lifetime. The container disposes what it builds, so anything but a singleton disposes
    /// <paramref name="innerGenerator"/> with the first scope.
    /// </param>
    /// <returns>A builder that adds decorators to the registration.</returns>
    public static VideoGeneratorBuilder AddVideoGenerator(
        this IServiceCollection services,
        IVideoGenerator innerGenerator,
        ServiceLifetime lifetime = ServiceLifetime.Singleton)
    {
        ArgumentNullException.ThrowIfNull(innerGenerator);
        return services.AddVideoGenerator(_ => innerGenerator, lifetime);
    }

    /// <summary>Registers a generator that is created when it is first asked for.</summary>
    /// <param name="services">The services.</param>
    /// <param name="innerGeneratorFactory">Creates the innermost generator.</param>
    /// <param name="lifetime">The lifetime.</param>
    /// <returns>A builder that adds decorators to the registration.</returns>
    public static VideoGeneratorBuilder AddVideoGenerator(
        this IServiceCollection services,
        Func<IServiceProvider, IVideoGenerator> innerGeneratorFactory,
        ServiceLifetime lifetime = ServiceLifetime.Singleton)
    {
        ArgumentNullException.ThrowIfNull(services);
        var builder = new VideoGeneratorBuilder(innerGeneratorFactory);
        services.Add(new ServiceDescriptor(typeof(IVideoGenerator), builder.Build, lifetime));
        return builder;
    }

    /// <summary>Registers a generator under a key.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key.</param>
    /// <param name="innerGenerator">The innermost generator.</param>
    /// <param name="lifetime">
    /// The lifetime. The container disposes what it builds, so anything but a singleton disposes
    /// <paramref name="innerGenerator"/> with the first scope.
    /// </param>
    /// <returns>A builder that adds decorators to the registration.</returns>
    public static VideoGeneratorBuilder AddKeyedVideoGenerator(
        this IServiceCollection services,
        object? serviceKey,
        IVideoGenerator innerGenerator,
        ServiceLifetime lifetime = ServiceLifetime.Singleton)
    {
        ArgumentNullException.ThrowIfNull(innerGenerator);
        return services.AddKeyedVideoGenerator(serviceKey, _ => innerGenerator, lifetime);
    }

    /// <summary>Registers, under a key, a generator that is created when it is first asked for.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key.</param>
    /// <param name="innerGeneratorFactory">Creates the innermost generator.</param>
    /// <param name="lifetime">The lifetime.</param>
    /// <returns>A builder that adds decorators to the registration.</returns>
    public static VideoGeneratorBuilder AddKeyedVideoGenerator(
        this IServiceCollection services,
        object? serviceKey,
        Func<IServiceProvider, IVideoGenerator> innerGeneratorFactory,
        ServiceLifetime lifetime = ServiceLifetime.Singleton)
    {
        ArgumentNullException.ThrowIfNull(services);
        var builder = new VideoGeneratorBuilder(innerGeneratorFactory);
        services.Add(new ServiceDescriptor(
            typeof(IVideoGenerator), serviceKey, (provider, _) => builder.Build(provider), lifetime));
        return builder;
    }
}
