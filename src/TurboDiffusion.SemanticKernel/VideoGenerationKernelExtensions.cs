using Microsoft.Extensions.DependencyInjection;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.SemanticKernel;

// The namespace in which users look for kernel registrations.
#pragma warning disable IDE0130
namespace Microsoft.SemanticKernel;

/// <summary>Adds video generation to kernels.</summary>
public static class VideoGenerationKernelExtensions
{
    /// <summary>Adds the <see cref="VideoGenerationPlugin"/> over the registered <see cref="IVideoGenerator"/>.</summary>
    /// <param name="plugins">The plugins of a kernel builder.</param>
    /// <param name="options">What a model may do.</param>
    /// <param name="serviceId">The key of the generator; <see langword="null"/> takes the one without a key.</param>
    /// <param name="pluginName">The name of the plugin.</param>
    /// <returns><paramref name="plugins"/>.</returns>
    public static IKernelBuilderPlugins AddVideoGeneration(
        this IKernelBuilderPlugins plugins,
        VideoGenerationFunctionOptions? options = null,
        string? serviceId = null,
        string pluginName = "Video")
    {
        ArgumentNullException.ThrowIfNull(plugins);
        plugins.Services.AddSingleton(services => VideoGenerationPlugin.Create(
            services.GetRequiredKeyedService<IVideoGenerator>(serviceId), options, pluginName));
        return plugins;
    }

    /// <summary>Adds the <see cref="VideoGenerationPlugin"/> to a kernel that is built already.</summary>
    /// <param name="plugins">The kernel's plugins.</param>
    /// <param name="generator">Generates the videos; not disposed with the kernel.</param>
    /// <param name="options">What a model may do.</param>
    /// <param name="pluginName">The name of the plugin.</param>
    /// <returns>The plugin.</returns>
    public static KernelPlugin AddVideoGeneration(
        this ICollection<KernelPlugin> plugins,
        IVideoGenerator generator,
        VideoGenerationFunctionOptions? options = null,
        string pluginName = "Video")
    {
        ArgumentNullException.ThrowIfNull(plugins);
        var plugin = VideoGenerationPlugin.Create(generator, options, pluginName);
        plugins.Add(plugin);
        return plugin;
    }
}
