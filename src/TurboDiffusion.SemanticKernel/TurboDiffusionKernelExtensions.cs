using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using TurboDiffusion.Extensions.AI;

// The namespace in which users look for kernel registrations.
#pragma warning disable IDE0130
namespace Microsoft.SemanticKernel;

/// <summary>Adds the TurboDiffusion engine to kernels.</summary>
public static class TurboDiffusionKernelExtensions
{
    /// <summary>Registers the engine as an <see cref="IVideoGenerator"/> of a kernel.</summary>
    /// <param name="builder">The kernel builder.</param>
    /// <param name="configure">Sets the options; without it the default model is used.</param>
    /// <param name="serviceId">A key, for a kernel with several models.</param>
    /// <param name="decorate">Adds decorators: <c>video => video.UseLogging()</c>.</param>
    /// <returns><paramref name="builder"/>.</returns>
    public static IKernelBuilder AddTurboDiffusionVideoGenerator(
        this IKernelBuilder builder,
        Action<TurboDiffusionOptions>? configure = null,
        string? serviceId = null,
        Action<VideoGeneratorBuilder>? decorate = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var video = builder.Services.AddTurboDiffusionVideoGenerator(configure, serviceId);
        decorate?.Invoke(video);
        return builder;
    }

    /// <summary>Registers the engine with options from the configuration; see the other overload.</summary>
    /// <param name="builder">The kernel builder.</param>
    /// <param name="configuration">A section with the properties of <see cref="TurboDiffusionOptions"/>.</param>
    /// <param name="serviceId">A key, for a kernel with several models.</param>
    /// <param name="decorate">Adds decorators.</param>
    /// <returns><paramref name="builder"/>.</returns>
    public static IKernelBuilder AddTurboDiffusionVideoGenerator(
        this IKernelBuilder builder,
        IConfiguration configuration,
        string? serviceId = null,
        Action<VideoGeneratorBuilder>? decorate = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var video = builder.Services.AddTurboDiffusionVideoGenerator(configuration, serviceId);
        decorate?.Invoke(video);
        return builder;
    }

    /// <summary>Registers the engine as an <see cref="IVideoGenerator"/> for the kernels of a container.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options; without it the default model is used.</param>
    /// <param name="serviceId">A key, for a kernel with several models.</param>
    /// <returns>A builder that adds decorators.</returns>
    public static VideoGeneratorBuilder AddTurboDiffusionVideoGenerator(
        this IServiceCollection services, Action<TurboDiffusionOptions>? configure = null, string? serviceId = null) =>
        serviceId is null
            ? services.AddTurboDiffusion(configure)
            : services.AddKeyedTurboDiffusion(serviceId, configure);

    /// <summary>Registers the engine with options from the configuration; see the other overload.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configuration">A section with the properties of <see cref="TurboDiffusionOptions"/>.</param>
    /// <param name="serviceId">A key, for a kernel with several models.</param>
    /// <returns>A builder that adds decorators.</returns>
    public static VideoGeneratorBuilder AddTurboDiffusionVideoGenerator(
        this IServiceCollection services, IConfiguration configuration, string? serviceId = null) =>
        serviceId is null
            ? services.AddTurboDiffusion(configuration)
            : services.AddKeyedTurboDiffusion(serviceId, configuration);
}
