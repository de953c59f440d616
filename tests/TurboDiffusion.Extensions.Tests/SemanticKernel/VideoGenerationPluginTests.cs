using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Extensions.Tests.AI;
using TurboDiffusion.SemanticKernel;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.SemanticKernel;

public sealed class VideoGenerationPluginTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_model_calls_the_plugin_through_the_kernels_own_loop()
    {
        var generator = new TestVideoGenerator();
        var model = new ScriptedChatClient(
            ScriptedChatClient.Call("Video_generate_video", new { prompt = "a cat", seed = 7 }),
            ScriptedChatClient.Say("Here it is."));
        var builder = Kernel.CreateBuilder();
        builder.Services.AddSingleton<IChatClient>(model.AsBuilder().UseKernelFunctionInvocation().Build());
        builder.Services.AddSingleton<IVideoGenerator>(generator);
        builder.Plugins.AddVideoGeneration(new() { OutputDirectory = _folder });
        var kernel = builder.Build();
        VideoGenerationFunctionResult? seen = null;
        kernel.AutoFunctionInvocationFilters.Add(new Filter(result => seen = result.GetValue<VideoGenerationFunctionResult>()));

        var answer = await kernel.InvokePromptAsync(
            "Film a cat.",
            new(new PromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() }),
            cancellationToken: Token);

        Assert.Equal("Here it is.", answer.ToString());
        Assert.Equal(1, generator.Calls);
        var told = model.Requests[1][^1].Contents.OfType<Microsoft.Extensions.AI.FunctionResultContent>().Single().Result;
        Assert.Contains("\"seed\": 7", JsonSerializer.Serialize(told, AIJsonUtilities.DefaultOptions), StringComparison.Ordinal);
        var binary = await seen!.ToBinaryContentAsync(Token);
        Assert.Equal([1, 2, 3], binary.Data!.Value.ToArray());
        Assert.Equal(("video/mp4", seen!.VideoUri), (binary.MimeType, binary.Uri!.AbsoluteUri));
    }

    [Fact]
    public async Task Functions_can_be_invoked_and_describe_themselves()
    {
        await File.WriteAllBytesAsync(Path.Combine(_folder, "cat.png"), [4], Token);
        VideoGenerationRequest? request = null;
        var generator = new TestVideoGenerator
        {
            OnGenerate = (asked, _, _) =>
            {
                request = asked;
                return Task.FromResult(Videos.Response());
            },
        };
        var plugin = KernelPluginFactory.CreateFromObject(
            new VideoGenerationPlugin(generator, new() { AllowedInputFolders = [_folder], OutputDirectory = _folder }), "Video");

        Assert.Equal(["animate_image", "generate_video"], plugin.Select(function => function.Name).Order());
        Assert.All(plugin, function =>
        {
            Assert.NotEmpty(function.Description);
            Assert.All(function.Metadata.Parameters, parameter => Assert.NotEmpty(parameter.Description));
        });
        var result = await plugin["animate_image"].InvokeAsync(
            new Kernel(), new() { ["imagePath"] = "cat.png", ["prompt"] = "it waves" }, Token);
        Assert.Null(result.GetValue<VideoGenerationFunctionResult>()!.Error);
        Assert.NotNull(request!.StartFrame);
    }

    [Fact]
    public async Task The_plugin_takes_the_generator_of_its_key()
    {
        var builder = Kernel.CreateBuilder();
        var keyed = new TestVideoGenerator();
        builder.Services.AddKeyedSingleton<IVideoGenerator>("large", keyed);
        builder.Services.AddSingleton<IVideoGenerator>(new TestVideoGenerator());
        builder.Plugins.AddVideoGeneration(new() { OutputDirectory = _folder }, serviceId: "large", pluginName: "LargeVideo");
        var kernel = builder.Build();

        await kernel.InvokeAsync("LargeVideo", "generate_video", new() { ["prompt"] = "a cat" }, Token);

        Assert.Equal(1, keyed.Calls);
    }

    [Fact]
    public async Task Cancellation_ends_the_invocation()
    {
        var generator = new TestVideoGenerator
        {
            OnGenerate = async (_, _, token) =>
            {
                await Task.Delay(Timeout.Infinite, token);
                return Videos.Response();
            },
        };
        var plugin = KernelPluginFactory.CreateFromObject(new VideoGenerationPlugin(generator), "Video");
        using var source = new CancellationTokenSource(50);

        await Assert.ThrowsAsync<KernelFunctionCanceledException>(() =>
            plugin["generate_video"].InvokeAsync(new Kernel(), new() { ["prompt"] = "a cat" }, source.Token));
    }

    [Fact]
    public async Task An_error_has_no_content()
    {
        var error = new VideoGenerationFunctionResult { Error = "The prompt is empty." };
        var thrown = await Assert.ThrowsAsync<ArgumentException>(() => error.ToBinaryContentAsync(Token));
        Assert.Contains("The prompt is empty.", thrown.Message, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private sealed class Filter(Action<FunctionResult> onResult) : IAutoFunctionInvocationFilter
    {
        public async Task OnAutoFunctionInvocationAsync(
            AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next)
        {
            await next(context);
            onResult(context.Result);
        }
    }
}
