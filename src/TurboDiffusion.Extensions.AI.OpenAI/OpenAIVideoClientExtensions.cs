using System.Diagnostics.CodeAnalysis;
using OpenAI.Videos;

namespace TurboDiffusion.Extensions.AI;

/// <summary>OpenAI's client as a generator.</summary>
public static class OpenAIVideoClientExtensions
{
    /// <summary>Gives a generator whose videos a service makes that speaks OpenAI's <c>/v1/videos</c>.</summary>
    /// <param name="client">The client.</param>
    /// <param name="defaultModelId">The model where the options name none; <see langword="null"/> leaves it to the service.</param>
    /// <param name="pollInterval">How often a video is asked after; <see langword="null"/> is every 2 seconds.</param>
    /// <returns>The generator. Disposing it leaves the client alone.</returns>
    /// <remarks>
    /// Videos are returned as bytes. The seed, the negative prompt and <see cref="VideoGenerationOptions.AdditionalProperties"/> are sent
    /// as fields of their own where they are set: this project's service takes them, OpenAI's refuses what it does not know. Cancelling
    /// deletes the video at the service.
    /// </remarks>
    [Experimental("OPENAI001")]
    public static IVideoGenerator AsIVideoGenerator(this VideoClient client, string? defaultModelId = null, TimeSpan? pollInterval = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        return new OpenAIVideoGenerator(client, defaultModelId, pollInterval ?? TimeSpan.FromSeconds(2));
    }
}
