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
        var plugin = VideoGenerationPlugin.Create(
            generator, new() { AllowedInputFolders = [_folder], OutputDirectory = _folder });

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
    public async Task Animating_images_is_offered_only_where_a_folder_is_allowed()
    {
        var builder = Kernel.CreateBuilder();
        builder.Services.AddSingleton<IVideoGenerator>(new TestVideoGenerator());
        builder.Plugins.AddVideoGeneration();
        var kernel = builder.Build();
        Assert.Equal("generate_video", Assert.Single(kernel.Plugins["Video"]).Name);

        var added = kernel.Plugins.AddVideoGeneration(new TestVideoGenerator(),
            new() { AllowedInputFolders = [_folder], OutputDirectory = _folder }, "Other");
        Assert.Equal(["animate_image", "generate_video"], added.Select(function => function.Name).Order());
        Assert.Null((await kernel.InvokeAsync<VideoGenerationFunctionResult>("Other", "generate_video", new() { ["prompt"] = "a cat" },
            Token))!.Error);
    }

    [Fact]
    public async Task A_result_is_camelCase_for_models_the_address_for_templates_and_has_the_video_in_its_metadata()
    {
        var kernel = new Kernel();
        var generator = new TestVideoGenerator();
        var plugin = kernel.Plugins.AddVideoGeneration(generator, new() { OutputDirectory = _folder });

        var schema = plugin["generate_video"].Metadata.ReturnParameter.Schema!.RootElement.GetProperty("properties");
        Assert.Equal(
            ["videoUri", "mediaType", "width", "height", "durationSeconds", "framesPerSecond", "seed", "note", "error"],
            schema.EnumerateObject().Select(property => property.Name));
        Assert.Equal(["prompt", "aspectRatio", "durationSeconds", "seed"],
            plugin["generate_video"].Metadata.Parameters.Select(parameter => parameter.Name));
        Assert.Equal(["16:9", "9:16", "1:1", "4:3", "3:4"], plugin["generate_video"].Metadata.Parameters[1].Schema!.RootElement
            .GetProperty("enum").EnumerateArray().Select(ratio => ratio.GetString()));

        var result = await plugin["generate_video"].InvokeAsync(kernel, new() { ["prompt"] = "a cat" }, Token);
        Assert.Equal(Videos.Info, result.Metadata![VideoGenerationPlugin.VideoInfoKey]);
        var address = result.GetValue<VideoGenerationFunctionResult>()!.VideoUri!;
        Assert.Equal(address, result.ToString());
        var rendered = await new KernelPromptTemplateFactory().Create(new("Watch {{Video.generate_video prompt='a cat'}}!"))
            .RenderAsync(kernel, cancellationToken: Token);
        Assert.StartsWith("Watch file:///", rendered, StringComparison.Ordinal);
        Assert.EndsWith(".mp4!", rendered, StringComparison.Ordinal);
        Assert.DoesNotContain("VideoUri", JsonSerializer.Serialize(result.GetValue<VideoGenerationFunctionResult>()),
            StringComparison.Ordinal);

        generator.OnGenerate = (_, _, _) => throw new InvalidRequestException("prompt", "The prompt is empty.");
        var failed = await plugin["generate_video"].InvokeAsync(kernel, new() { ["prompt"] = "a cat" }, Token);
        Assert.Equal(("The prompt is empty.", (object?)null), (failed.ToString(), failed.Metadata));
    }

    [Fact]
    public void A_kernel_can_decorate_the_engine_and_configure_it_from_a_section()
    {
        var section = new Microsoft.Extensions.Configuration.ConfigurationManager { ["Device"] = "cpu" };
        var kernel = Kernel.CreateBuilder()
            .AddTurboDiffusionVideoGenerator(section, decorate: video => video.UseOpenTelemetry())
            .AddTurboDiffusionVideoGenerator(options => options.MaxQueuedRequests = 1, "small", video => video.UseOpenTelemetry())
            .AddTurboDiffusionVideoGenerator(section, "other")
            .Build();

        foreach (var key in new[] { null, "small" })
            Assert.NotNull(kernel.GetRequiredService<IVideoGenerator>(key).GetService<OpenTelemetryVideoGenerator>());
        Assert.Equal("cpu", kernel.GetRequiredService<IVideoGenerator>().GetRequiredService<TurboDiffusionOptions>().Device);
        Assert.Equal("cpu", kernel.GetRequiredService<IVideoGenerator>("other").GetRequiredService<TurboDiffusionOptions>().Device);
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
        var plugin = VideoGenerationPlugin.Create(generator);
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
