using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Lets a model generate videos: where <see cref="ChatOptions.Tools"/> holds a <see cref="HostedVideoGenerationTool"/>,
/// the inner client gets functions in its place, and the videos come back as
/// <see cref="VideoGenerationToolResultContent"/>.
/// </summary>
/// <remarks>
/// Place it before <c>UseFunctionInvocation()</c>, which calls the functions. The model sees short text only: each video
/// has an id (<c>video-1</c>), by which later turns refer to it once the caller sends the response's messages back.
/// Images of the conversation have ids as well, and can be animated. Calls may run concurrently: nothing is kept
/// between them.
/// </remarks>
public sealed class VideoGeneratingChatClient : DelegatingChatClient
{
    private readonly IVideoGenerator _generator;

    /// <summary>Creates the client.</summary>
    /// <param name="innerClient">The client to pass calls on to.</param>
    /// <param name="generator">Generates the videos; not disposed with the client.</param>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    public VideoGeneratingChatClient(IChatClient innerClient, IVideoGenerator generator)
        : base(innerClient)
    {
        ArgumentNullException.ThrowIfNull(generator);
        _generator = generator;
    }

    /// <summary>The longest prompt that is accepted, in characters; a longer one is told to the model, which can shorten it.</summary>
    public int MaxPromptLength { get; set; } = VideoGenerationFunctionOptions.DefaultMaxPromptLength;

    /// <inheritdoc/>
    public override async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var conversation = new VideoConversation(_generator, MaxPromptLength);
        var known = conversation.ToModel(messages);
        var response = await base.GetResponseAsync(known, conversation.ToModel(options), cancellationToken)
            .ConfigureAwait(false);
        // The inner client may keep its own messages.
        response.Messages = [.. response.Messages.Select(message =>
        {
            var changed = message.Clone();
            changed.Contents = conversation.FromModel(message.Contents);
            return changed;
        })];
        return response;
    }

    /// <inheritdoc/>
    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var conversation = new VideoConversation(_generator, MaxPromptLength);
        var known = conversation.ToModel(messages);
        await foreach (var update in base.GetStreamingResponseAsync(known, conversation.ToModel(options), cancellationToken)
            .ConfigureAwait(false))
        {
            // The inner client still reads its own update.
            var changed = update.Clone();
            changed.Contents = conversation.FromModel(update.Contents);
            yield return changed;
        }
    }
}
