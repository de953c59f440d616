using ModelContextProtocol.Server;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Mcp;

// The namespace in which users look for registrations.
#pragma warning disable IDE0130
namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds video generation to a Model Context Protocol server.</summary>
public static class VideoGenerationMcpServerBuilderExtensions
{
    /// <summary>
    /// Adds the tools <c>generate_video</c> and, where a folder of images is allowed, <c>animate_image</c>. Their results are
    /// structured; a client that asks for progress is told the percentage of the whole generation, its stage and the time left.
    /// </summary>
    /// <param name="builder">The server.</param>
    /// <param name="options">What a model may do.</param>
    /// <param name="generator">Finds the generator for a call; <see langword="null"/> takes the one that is registered.</param>
    /// <returns><paramref name="builder"/>.</returns>
    public static IMcpServerBuilder WithVideoGeneration(
        this IMcpServerBuilder builder,
        VideoGenerationFunctionOptions? options = null,
        Func<IServiceProvider, IVideoGenerator>? generator = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        options ??= new VideoGenerationFunctionOptions();
        var tools = new VideoGenerationTools(generator ?? (services => services.GetRequiredService<IVideoGenerator>()), options);
        var generate = Tool(tools.GenerateVideoAsync, ToolText.GenerateVideoName);
        return builder.WithTools(options.AllowedInputFolders.Count == 0
            ? [generate]
            : [generate, Tool(tools.AnimateImageAsync, ToolText.AnimateImageName)]);
    }

    private static McpServerTool Tool(Delegate method, string name) => McpServerTool.Create(method, new McpServerToolCreateOptions
    {
        Name = name,
        UseStructuredContent = true,
        // A new file each time; nothing is changed or deleted.
        Destructive = false,
        Idempotent = false,
        OpenWorld = false,
    });
}
