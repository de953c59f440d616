using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.ML;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.ML;

// The second process of the test of saved models: nothing of the library is touched before the model is loaded.
if (args is ["without-libtorch"])
{
    await TellWithoutLibTorch();
    return;
}

var ml = new MLContext();
var model = ml.Model.Load(args[0], out _);
if (args.Length == 1)
    Generate(ml, model);
else
    GenerateWithTheEngine(ml, model, args[1]);

// A process whose libtorch cannot be used: what a caller and a health check are told.
static async Task TellWithoutLibTorch()
{
    using var generator = new TurboDiffusionVideoGenerator();
    var health = new TurboDiffusionHealthCheck(generator);
    var before = await health.CheckHealthAsync(new());
    Exception? thrown = null;
    try
    {
        await generator.GenerateVideoAsync("a cat");
    }
    catch (Exception exception)
    {
        thrown = exception;
    }

    Console.WriteLine(
        $"{before.Status}|{thrown?.GetType().Name}|"
            + $"{(await health.CheckHealthAsync(new())).Status}|{before.Description == thrown?.Message}|{thrown?.Message}");
}

[MethodImpl(MethodImplOptions.NoInlining)]
static void GenerateWithTheEngine(MLContext ml, ITransformer model, string prompt)
{
    // The model file says which engine to run: nothing is registered here.
    using var engine = ml.Model.CreatePredictionEngine<Row, Result>(model);
    var result = engine.Predict(new Row { Prompt = prompt, Seed = 7 });
    Console.WriteLine($"{result.Video!.Info!.Width}x{result.Video.Info.Height}, {result.Video.Info.Seed}: {result.Path}");
}

[MethodImpl(MethodImplOptions.NoInlining)]
static void Generate(MLContext ml, ITransformer model)
{
    var generator = new CountingGenerator();
    VideoGeneratorRegistry.Register("loader", () => generator);
    var rows = ml.Data.LoadFromEnumerable(Enumerable.Range(0, 200).Select(i => new Row { Prompt = i == 0 ? "a cat" : "x", Seed = 7 }));
    var view = model.Transform(rows);
    var before = generator.Calls;
    using var cursor = view.GetRowCursor([view.Schema["Video"], view.Schema["Path"]]);
    var video = cursor.GetGetter<MLVideo>(view.Schema["Video"]);
    cursor.MoveNext();
    MLVideo value = null!;
    video(ref value);
    Console.WriteLine($"{before}|{generator.Seen}|{generator.Calls}|{string.Join(',', value.GetBytes().ToArray())}");
}

internal sealed class Row
{
    public string Prompt { get; set; } = "";

    public string Image { get; set; } = "";

    public long Seed { get; set; }
}

internal sealed class Result
{
    [VideoType]
    public MLVideo? Video { get; set; }

    public string Path { get; set; } = "";
}

internal sealed class CountingGenerator : IVideoGenerator
{
    public int Calls { get; private set; }

    public string Seen { get; private set; } = "";

    public Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken)
    {
        Calls++;
        Seen = $"{request.Prompt}|{options!.VideoSize!.Value.Width}x{options.VideoSize.Value.Height}|"
            + $"{options.Seed}|{options.AdditionalProperties!["style"]}";
        return Task.FromResult(new VideoGenerationResponse([new DataContent(new byte[] { 5, 5 }, "video/mp4")]));
    }

    public IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public object? GetService(Type serviceType, object? serviceKey) => null;

    public void Dispose()
    {
    }
}
