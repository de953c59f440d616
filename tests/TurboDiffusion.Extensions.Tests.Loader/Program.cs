using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.ML;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.ML;

// The second process of the test of saved models: nothing of the library is touched before the model is loaded.
var ml = new MLContext();
var model = ml.Model.Load(args[0], out _);
Generate(ml, model);

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

internal sealed class CountingGenerator : IVideoGenerator
{
    public int Calls { get; private set; }

    public string Seen { get; private set; } = "";

    public Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken)
    {
        Calls++;
        Seen = $"{request.Prompt}|{options!.VideoSize!.Value.Width}x{options.VideoSize.Value.Height}|{options.Seed}|{options.AdditionalProperties!["style"]}";
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
