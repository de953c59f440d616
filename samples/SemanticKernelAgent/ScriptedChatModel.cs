using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace SemanticKernelAgent;

/// <summary>
/// Stands in for a language model: asked to film something, it calls the tool that generates videos, and then tells
/// where the video is. It goes by what it is offered and told, as a real one does.
/// </summary>
internal sealed class ScriptedChatModel : IChatClient
{
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, [Answer([.. messages], options)])));

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await Task.Yield();
        yield return new ChatResponseUpdate(ChatRole.Assistant, [Answer([.. messages], options)]);
    }

    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata("scripted", null, "scripted") : null;

    public void Dispose()
    {
    }

    private static AIContent Answer(List<ChatMessage> messages, ChatOptions? options)
    {
        if (messages[^1].Contents.OfType<FunctionResultContent>().FirstOrDefault() is { } result)
        {
            var video = JsonSerializer.SerializeToElement(result.Result, AIJsonUtilities.DefaultOptions);
            return new TextContent(video.TryGetProperty("videoUri", out var uri)
                ? $"Here is your video: {uri}"
                : $"I could not film that: {video}");
        }

        var tool = options?.Tools?.FirstOrDefault(tool => tool.Name.EndsWith("generate_video", StringComparison.Ordinal));
        return tool is null
            ? new TextContent("I cannot film: I was offered no tool for it.")
            : new FunctionCallContent("call-1", tool.Name, new Dictionary<string, object?>
            {
                ["prompt"] = messages.Last(message => message.Role == ChatRole.User).Text,
                ["seed"] = 7,
            });
    }
}
