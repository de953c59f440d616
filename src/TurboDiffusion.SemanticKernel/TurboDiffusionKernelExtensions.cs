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
    /// <returns><paramref name="builder"/>.</returns>
    public static IKernelBuilder AddTurboDiffusionVideoGenerator(
        this IKernelBuilder builder, Action<TurboDiffusionOptions>? configure = null, string? serviceId = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddTurboDiffusionVideoGenerator(configure, serviceId);
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
}
