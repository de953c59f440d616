using System.Text.Json;
using Microsoft.Extensions.AI;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.AI;

public sealed class VideoGenerationFunctionsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-").FullName;
    private VideoGenerationRequest? _request;
    private VideoGenerationOptions? _options;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_model_that_calls_the_tool_gets_the_address_and_never_the_bytes()
    {
        var model = new ScriptedChatClient(
            ScriptedChatClient.Call("generate_video", new { prompt = "a cat", aspectRatio = "9:16", durationSeconds = 2.5, seed = 7 }),
            ScriptedChatClient.Say("Here it is."));
        using var client = model.AsBuilder().UseFunctionInvocation().Build();
        var functions = new VideoGenerationFunctions(Generator(), new() { OutputDirectory = _folder });

        var response = await client.GetResponseAsync("Film a cat.", new() { Tools = [.. functions.AsAIFunctions()] }, Token);

        Assert.Equal("Here it is.", response.Text);
        Assert.Equal("a cat", _request!.Prompt);
        Assert.Equal(("9:16", TimeSpan.FromSeconds(2.5), 7), (_options!.AspectRatio, _options.Duration, _options.Seed));
        var told = JsonSerializer.Serialize(
            model.Requests[1][^1].Contents.OfType<FunctionResultContent>().Single().Result, AIJsonUtilities.DefaultOptions);
        using var result = JsonDocument.Parse(told);
        var path = new Uri(result.RootElement.GetProperty("videoUri").GetString()!).LocalPath;
        Assert.Equal([1, 2, 3], await File.ReadAllBytesAsync(path, Token));
        Assert.Equal(_folder, Path.GetDirectoryName(path));
        Assert.Equal(64, result.RootElement.GetProperty("width").GetInt32());
        Assert.Equal(7, result.RootElement.GetProperty("seed").GetInt64());
        Assert.False(result.RootElement.TryGetProperty("note", out _));
        Assert.False(result.RootElement.TryGetProperty("error", out _));
        Assert.Single(Directory.GetFiles(_folder));
    }

    [Fact]
    public async Task A_video_that_is_a_file_stays_where_it_is()
    {
        var path = Path.Combine(_folder, "cat.mp4");
        var functions = new VideoGenerationFunctions(Generator(Videos.File(path)));

        var result = await functions.GenerateVideoAsync("a cat", cancellationToken: Token);

        Assert.Equal(new Uri(path).AbsoluteUri, result.VideoUri);
        Assert.Equal(
            ("video/mp4", 64, 32, 17 / 16.0, 16.0, 7L),
            (result.MediaType, result.Width, result.Height, result.DurationSeconds, result.FramesPerSecond, result.Seed));
    }

    [Fact]
    public async Task A_model_learns_what_the_video_does_not_show()
    {
        const string Note = "The model shapes does not know 'dog' and draws what it does know.";
        var model = new ScriptedChatClient(
            ScriptedChatClient.Call("generate_video", new { prompt = "a red dog" }), ScriptedChatClient.Say("No dog, sorry."));
        using var client = model.AsBuilder().UseFunctionInvocation().Build();
        var video = Videos.Data().WithVideoInfo(Videos.Info with { Note = Note });
        var functions = new VideoGenerationFunctions(Generator(video), new() { OutputDirectory = _folder });

        await client.GetResponseAsync("Film a red dog.", new() { Tools = [.. functions.AsAIFunctions()] }, Token);

        var told = JsonSerializer.SerializeToElement(
            model.Requests[1][^1].Contents.OfType<FunctionResultContent>().Single().Result, AIJsonUtilities.DefaultOptions);
        Assert.Equal(Note, told.GetProperty("note").GetString());
        Assert.True(told.TryGetProperty("videoUri", out _));
    }

    [Fact]
    public void Animating_images_is_offered_only_where_a_folder_is_allowed()
    {
        Assert.Equal(["generate_video"], Names(new()));
        Assert.Equal(["generate_video", "animate_image"], Names(new() { AllowedInputFolders = [_folder] }));
        var parameters = new VideoGenerationFunctions(Generator()).AsAIFunctions()[0].JsonSchema.GetProperty("properties");
        Assert.All(parameters.EnumerateObject(), parameter => Assert.NotEmpty(parameter.Value.GetProperty("description").GetString()!));
        Assert.Equal(4, parameters.EnumerateObject().Count());
        Assert.Equal(TurboDiffusion.Models.VideoSize.AspectRatios,
            parameters.GetProperty("aspectRatio").GetProperty("enum").EnumerateArray().Select(ratio => ratio.GetString()));

        static IEnumerable<string> Names(VideoGenerationFunctionOptions options) =>
            new VideoGenerationFunctions(new TestVideoGenerator(), options).AsAIFunctions().Select(function => function.Name);
    }

    [Fact]
    public async Task An_image_in_an_allowed_folder_becomes_the_start_frame()
    {
        await File.WriteAllBytesAsync(Path.Combine(_folder, "a cat.png"), [4, 5], Token);
        var functions = new VideoGenerationFunctions(Generator(), new() { AllowedInputFolders = [_folder], OutputDirectory = _folder });

        foreach (var path in new[] { Path.Combine(_folder, "a cat.png"), "a cat.png",
            new Uri(Path.Combine(_folder, "a cat.png")).AbsoluteUri })
        {
            _request = null;
            var result = await functions.AnimateImageAsync(path, "it waves", cancellationToken: Token);

            Assert.Null(result.Error);
            var image = Assert.IsType<DataContent>(_request!.StartFrame);
            Assert.Equal("image/png", image.MediaType);
            Assert.Equal([4, 5], image.Data.ToArray());
            Assert.Null(_request.EndFrame);
            await functions.AnimateImageAsync(path, "it waves", path, cancellationToken: Token);
            Assert.Equal([4, 5], Assert.IsType<DataContent>(_request.EndFrame).Data.ToArray());
        }
    }

    [Fact]
    public async Task No_image_outside_the_allowed_folders_is_read()
    {
        var allowed = Directory.CreateDirectory(Path.Combine(_folder, "allowed")).FullName;
        var secret = Path.Combine(_folder, "secret.png");
        await File.WriteAllBytesAsync(secret, [4, 5], Token);
        Directory.CreateDirectory(Path.Combine(_folder, "allowed-too"));
        await File.WriteAllBytesAsync(Path.Combine(_folder, "allowed-too", "secret.png"), [4, 5], Token);
        File.CreateSymbolicLink(Path.Combine(allowed, "link.png"), secret);
        Directory.CreateSymbolicLink(Path.Combine(allowed, "folder"), _folder);
        var generator = Generator();
        var functions = new VideoGenerationFunctions(generator, new() { AllowedInputFolders = [allowed] });

        string[] paths =
        [
            secret,
            Path.Combine(allowed, "..", "secret.png"),
            Path.Combine(allowed, "link.png"),
            Path.Combine(allowed, "folder", "secret.png"),
            Path.Combine(_folder, "allowed-too", "secret.png"),
            new Uri(secret).AbsoluteUri,
            "/etc/passwd",
            "http://example.com/a.png",
        ];
        foreach (var path in paths)
            Assert.NotNull((await functions.AnimateImageAsync(path, "it waves", cancellationToken: Token)).Error);

        Assert.NotNull((await functions.AnimateImageAsync("missing.png", "it waves", cancellationToken: Token)).Error);
        await File.WriteAllBytesAsync(Path.Combine(allowed, "start.png"), [4, 5], Token);
        Assert.NotNull((await functions.AnimateImageAsync("start.png", "it waves", secret, cancellationToken: Token)).Error);
        Assert.NotNull((await new VideoGenerationFunctions(generator)
            .AnimateImageAsync(secret, "it waves", cancellationToken: Token)).Error);
        Assert.Equal(0, generator.Calls);
    }

    [Fact]
    public async Task What_the_model_can_correct_comes_back_as_text()
    {
        var generator = Generator();
        var functions = new VideoGenerationFunctions(generator, new() { MaxPromptLength = 10 });

        Assert.Contains("at most 10", (await functions.GenerateVideoAsync(new string('a', 11), cancellationToken: Token)).Error,
            StringComparison.Ordinal);
        Assert.Contains("empty", (await functions.GenerateVideoAsync(" ", cancellationToken: Token)).Error, StringComparison.Ordinal);
        foreach (var seconds in new[] { 0, -1, double.NaN, double.PositiveInfinity, 1e300 })
            Assert.Contains("seconds", (await functions.GenerateVideoAsync("a", durationSeconds: seconds, cancellationToken: Token)).Error,
                StringComparison.Ordinal);
        Assert.Equal(0, generator.Calls);

        foreach (var error in new Exception[] { new InvalidRequestException("aspectRatio", "7:5 is unknown"),
            new VideoGeneratorQueueFullException("full") })
        {
            generator.OnGenerate = (_, _, _) => throw error;
            Assert.Equal(error.Message, (await functions.GenerateVideoAsync("a", cancellationToken: Token)).Error);
        }

        generator.OnGenerate = (_, _, _) => throw new IOException("disk");
        await Assert.ThrowsAsync<IOException>(() => functions.GenerateVideoAsync("a", cancellationToken: Token));
    }

    [Fact]
    public async Task The_applications_defaults_hold_unless_the_model_asks_otherwise()
    {
        var defaults = new VideoGenerationOptions { VideoSize = new(64, 32), Seed = 3, ModelId = "m" };
        var functions = new VideoGenerationFunctions(Generator(), new() { Defaults = defaults, OutputDirectory = _folder });

        await functions.GenerateVideoAsync("a", cancellationToken: Token);
        Assert.Equal((new System.Drawing.Size(64, 32), 3L, "m"), (_options!.VideoSize, _options.Seed, _options.ModelId));

        await functions.GenerateVideoAsync("a", aspectRatio: "1:1", seed: 4, cancellationToken: Token);
        Assert.Equal((null, "1:1", 4L), (_options.VideoSize, _options.AspectRatio, _options.Seed));
        Assert.Equal((3L, null), (defaults.Seed, defaults.ResponseFormat));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private TestVideoGenerator Generator(AIContent? video = null) => new()
    {
        OnGenerate = (request, options, _) =>
        {
            (_request, _options) = (request, options);
            return Task.FromResult(video is null ? Videos.Response() : Videos.Response(video));
        },
    };
}
