using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Adds video generation to chat clients.</summary>
public static class VideoGenerationChatExtensions
{
    /// <summary>
    /// Lets the model generate videos where the options hold a <see cref="HostedVideoGenerationTool"/>. Place it before
    /// <c>UseFunctionInvocation()</c>.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="generator">Generates the videos; <see langword="null"/> asks the services.</param>
    /// <param name="configure">Changes the middleware.</param>
    /// <returns>The builder.</returns>
    public static ChatClientBuilder UseVideoGeneration(
        this ChatClientBuilder builder, IVideoGenerator? generator = null, Action<VideoGeneratingChatClient>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Use((inner, services) =>
        {
            var client = new VideoGeneratingChatClient(inner, generator ?? services.GetRequiredService<IVideoGenerator>());
            configure?.Invoke(client);
            return client;
        });
    }

    /// <summary>Lets <see cref="VideoGenerationToolCallContent"/> and its result be written to JSON and read again.</summary>
    /// <param name="options">Options made from <see cref="AIJsonUtilities.DefaultOptions"/>, not yet used.</param>
    /// <returns><paramref name="options"/>.</returns>
    public static JsonSerializerOptions AddVideoGenerationContents(this JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.AddAIContentType<VideoGenerationToolCallContent>("turbodiffusion.videoGenerationToolCall");
        options.AddAIContentType<VideoGenerationToolResultContent>("turbodiffusion.videoGenerationToolResult");
        return options;
    }
}
