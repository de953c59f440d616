using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.Tests.AI;

/// <summary>A chat client whose answers the test has written; it keeps what it was sent.</summary>
internal sealed class ScriptedChatClient(params Func<IList<ChatMessage>, ChatOptions?, AIContent[]>[] answers) : IChatClient
{
    private int _next;

    public List<IList<ChatMessage>> Requests { get; } = [];

    public List<ChatOptions?> Options { get; } = [];

    /// <summary>An answer that calls a function.</summary>
    public static Func<IList<ChatMessage>, ChatOptions?, AIContent[]> Call(string name, object arguments, string callId = "call-1") =>
        (_, _) => [new FunctionCallContent(callId, name, arguments.GetType().GetProperties()
            .ToDictionary(property => property.Name, property => property.GetValue(arguments)))];

    /// <summary>An answer in words.</summary>
    public static Func<IList<ChatMessage>, ChatOptions?, AIContent[]> Say(string text) => (_, _) => [new TextContent(text)];

    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, Answer(messages, options))));

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await Task.Yield();
        foreach (var content in Answer(messages, options))
            yield return new ChatResponseUpdate(ChatRole.Assistant, [content]);
    }

    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata("scripted", null, "script")
        : serviceType.IsInstanceOfType(this) ? this : null;

    public void Dispose()
    {
    }

    private AIContent[] Answer(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        Requests.Add([.. messages]);
        Options.Add(options);
        return answers[_next++](Requests[^1], options);
    }
}
