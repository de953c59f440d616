using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.AI;

public sealed class VideoGeneratingChatClientTests
{
    private readonly List<(VideoGenerationRequest Request, VideoGenerationOptions Options)> _calls = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_marker_becomes_functions_and_the_video_comes_back(bool streaming)
    {
        var model = new ScriptedChatClient(
            ScriptedChatClient.Call("generate_video", new { prompt = "a cat", seed = 7 }),
            ScriptedChatClient.Say("Here it is."));
        var options = Options();

        var response = await Run(model, [new(ChatRole.User, "Film a cat.")], options, streaming);

        Assert.Equal("Here it is.", response.Text);
        Assert.Equal(["generate_video", "animate_image"], model.Options[0]!.Tools!.Select(tool => tool.Name));
        Assert.IsType<HostedVideoGenerationTool>(Assert.Single(options.Tools!));
        Assert.Equal("video_generation", options.Tools![0].Name);
        var call = response.Messages.SelectMany(message => message.Contents).OfType<VideoGenerationToolCallContent>().Single();
        Assert.Equal(("generate_video", "call-1"), (call.FunctionName, call.CallId));
        var result = response.Messages.SelectMany(message => message.Contents).OfType<VideoGenerationToolResultContent>().Single();
        Assert.Equal("call-1", result.CallId);
        Assert.Equal([1, 2, 3], Assert.IsType<DataContent>(Assert.Single(result.Outputs!)).Data.ToArray());
        Assert.DoesNotContain(response.Messages.SelectMany(message => message.Contents),
            content => content is FunctionCallContent or FunctionResultContent);

        // The model itself saw a function result of short text.
        var told = model.Requests[1][^1].Contents.OfType<FunctionResultContent>().Single().Result!.ToString();
        Assert.Contains("video-1: 64x32, 1.06 s, seed 7", told, StringComparison.Ordinal);
        Assert.Equal("landscape", Assert.Single(_calls).Options.ModelId);
    }

    [Fact]
    public async Task The_model_learns_what_the_videos_do_not_show_once()
    {
        var info = Videos.Info with { Note = "The model shapes does not know 'dog'." };
        var generator = new TestVideoGenerator
        {
            OnGenerate = (_, _, _) =>
                Task.FromResult(Videos.Response(Videos.Data().WithVideoInfo(info), Videos.Data().WithVideoInfo(info))),
        };
        var model = new ScriptedChatClient(
            ScriptedChatClient.Call("generate_video", new { prompt = "a red dog" }), ScriptedChatClient.Say("No dog, sorry."));
        using var client = model.AsBuilder().UseVideoGeneration(generator).UseFunctionInvocation().Build();

        await client.GetResponseAsync("Film a red dog, twice.", Options(), Token);

        var told = model.Requests[1][^1].Contents.OfType<FunctionResultContent>().Single().Result!.ToString();
        Assert.EndsWith("; video-2: 64x32, 1.06 s, seed 7. Note: The model shapes does not know 'dog'.", told, StringComparison.Ordinal);
        Assert.Single(System.Text.RegularExpressions.Regex.Matches(told!, "Note"));
    }

    [Fact]
    public async Task A_later_turn_refers_to_an_earlier_video()
    {
        var first = new ScriptedChatClient(
            ScriptedChatClient.Call("generate_video", new { prompt = "a cat", seed = 7 }),
            ScriptedChatClient.Say("Here it is."));
        var history = new List<ChatMessage> { new(ChatRole.User, "Film a cat.") };
        history.AddMessages(await Run(first, history, Options()));

        // As an application would keep it.
        var json = new JsonSerializerOptions(AIJsonUtilities.DefaultOptions).AddVideoGenerationContents();
        history = JsonSerializer.Deserialize<List<ChatMessage>>(JsonSerializer.Serialize(history, json), json)!;
        history.Add(new(ChatRole.User, "The same, but at night."));
        var second = new ScriptedChatClient(
            ScriptedChatClient.Call("generate_video", new { prompt = "a cat at night", earlierVideoId = "video-1" }, "call-2"),
            ScriptedChatClient.Say("Done."));
        var response = await Run(second, history, Options());

        var sent = second.Requests[0].SelectMany(message => message.Contents).ToList();
        Assert.Equal("generate_video", Assert.Single(sent.OfType<FunctionCallContent>()).Name);
        Assert.Contains("video-1", Assert.Single(sent.OfType<FunctionResultContent>()).Result!.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(sent, content =>
            content is DataContent or VideoGenerationToolCallContent or VideoGenerationToolResultContent);
        var options = _calls[1].Options;
        Assert.Equal((7L, new System.Drawing.Size(64, 32), 16), (options.Seed, options.VideoSize, options.FramesPerSecond));
        Assert.Equal(Videos.Info.Duration, options.Duration);
        Assert.Contains("video-2", response.Messages.SelectMany(message => message.Contents).OfType<VideoGenerationToolResultContent>()
            .Single().Summary, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_of_the_conversation_is_animated()
    {
        var image = new DataContent(new byte[] { 8 }, "image/png");
        var model = new ScriptedChatClient(
            ScriptedChatClient.Call("animate_image", new { imageId = "image-1", prompt = "it waves" }),
            ScriptedChatClient.Say("Done."));

        await Run(model, [new(ChatRole.User, [new TextContent("Make it wave."), image])], Options());

        Assert.Contains(model.Requests[0][0].Contents, content => content is TextContent { Text: "[image-1]" });
        Assert.Contains(image, model.Requests[0][0].Contents);
        Assert.Same(image, Assert.Single(_calls).Request.StartFrame);
    }

    [Fact]
    public async Task A_video_that_the_user_sends_is_named_and_not_sent_to_the_model()
    {
        var model = new ScriptedChatClient(ScriptedChatClient.Say("A fine video."));

        await Run(model, [new(ChatRole.User, [Videos.Data()])], Options());

        Assert.Equal("[video-1: 64x32, 1.06 s, seed 7]", Assert.IsType<TextContent>(Assert.Single(model.Requests[0][0].Contents)).Text);
    }

    [Theory]
    [InlineData("generate_video", "There is no video in this conversation.")]
    [InlineData("animate_image", "there are image-1")]
    public async Task An_unknown_id_is_told_to_the_model(string function, string answer)
    {
        var model = new ScriptedChatClient(
            ScriptedChatClient.Call(function, new { prompt = "a", earlierVideoId = "video-9", imageId = "image-9" }),
            ScriptedChatClient.Say("Sorry."));
        var messages = new List<ChatMessage> { new(ChatRole.User, [new DataContent(new byte[] { 8 }, "image/png")]) };

        await Run(model, messages, Options());

        Assert.Empty(_calls);
        Assert.Contains(answer, model.Requests[1][^1].Contents.OfType<FunctionResultContent>().Single().Result!.ToString(),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Errors_for_the_user_reach_the_model_as_text()
    {
        var model = new ScriptedChatClient(
            ScriptedChatClient.Call("generate_video", new { prompt = "a" }), ScriptedChatClient.Say("Later, then."));
        var generator = new TestVideoGenerator
        {
            OnGenerate = (_, _, _) => throw new VideoGeneratorQueueFullException("The queue is full."),
        };
        using var client = model.AsBuilder().UseVideoGeneration(generator).UseFunctionInvocation().Build();

        await client.GetResponseAsync("Film a cat.", Options(), Token);

        Assert.Equal("The queue is full.", model.Requests[1][^1].Contents.OfType<FunctionResultContent>().Single().Result!.ToString());
    }

    [Fact]
    public async Task Without_the_marker_nothing_changes()
    {
        var own = AIFunctionFactory.Create(() => "mine", "generate_video");
        var model = new ScriptedChatClient(
            ScriptedChatClient.Call("generate_video", new { }), ScriptedChatClient.Say("Mine."));

        var response = await Run(model, [new(ChatRole.User, "Call mine.")], new() { Tools = [own] });

        Assert.Empty(_calls);
        Assert.Contains(response.Messages.SelectMany(message => message.Contents), content => content is FunctionCallContent);
    }

    [Fact]
    public async Task Concurrent_calls_do_not_mix()
    {
        var clients = Enumerable.Range(0, 16).Select(i => new ScriptedChatClient(
            ScriptedChatClient.Call("generate_video", new { prompt = $"cat {i}" }), ScriptedChatClient.Say("Done."))).ToList();
        var generator = new TestVideoGenerator
        {
            OnGenerate = async (request, _, _) =>
            {
                await Task.Yield();
                return Videos.Response(
                    Videos.Data([(byte)int.Parse(request.Prompt![4..], System.Globalization.CultureInfo.InvariantCulture)]));
            },
        };
        // One middleware for all, which finds each caller's script in the messages.
        var model = new RoutingChatClient(messages =>
            clients[int.Parse(messages[0].Text, System.Globalization.CultureInfo.InvariantCulture)]);
        using var client = model.AsBuilder().UseVideoGeneration(generator).UseFunctionInvocation().Build();

        var responses = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => client.GetResponseAsync($"{i}", Options(), Token)));

        for (var i = 0; i < responses.Length; i++)
        {
            var result = responses[i].Messages.SelectMany(message => message.Contents).OfType<VideoGenerationToolResultContent>().Single();
            Assert.Equal([(byte)i], Assert.IsType<DataContent>(Assert.Single(result.Outputs!)).Data.ToArray());
        }
    }

    [Fact]
    public void The_generator_comes_from_the_services()
    {
        var services = new ServiceCollection().AddSingleton<IVideoGenerator>(new TestVideoGenerator()).BuildServiceProvider();
        using var client = new ScriptedChatClient().AsBuilder().UseVideoGeneration().Build(services);
        Assert.NotNull(client.GetService<VideoGeneratingChatClient>());
    }

    private static ChatOptions Options() => new()
    {
        Tools = [new HostedVideoGenerationTool { Options = new() { ModelId = "landscape" } }],
    };

    private async Task<ChatResponse> Run(
        ScriptedChatClient model, IEnumerable<ChatMessage> messages, ChatOptions options, bool streaming = false)
    {
        var generator = new TestVideoGenerator
        {
            OnGenerate = (request, videoOptions, _) =>
            {
                _calls.Add((request, videoOptions!));
                return Task.FromResult(Videos.Response());
            },
        };
        using var client = model.AsBuilder().UseVideoGeneration(generator).UseFunctionInvocation().Build();
        return streaming
            ? await client.GetStreamingResponseAsync(messages, options, Token).ToChatResponseAsync(Token)
            : await client.GetResponseAsync(messages, options, Token);
    }

    private sealed class RoutingChatClient(Func<IList<ChatMessage>, IChatClient> route) : IChatClient
    {
        public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null,
            CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            var list = messages.ToList();
            return await route(list).GetResponseAsync(list, options, cancellationToken);
        }

        public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages,
            ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
