using System.Reflection;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML;
using Microsoft.SemanticKernel;
using TorchSharp;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.ML;

// An application that knows the packages only: a video through each of the three integrations.
var registrations = new ServiceCollection();
registrations.AddTurboDiffusion(engine => engine.Device = "cpu");
await using var services = registrations.BuildServiceProvider();
var options = new VideoGenerationOptions
{
    Seed = 7,
    VideoSize = new(64, 48),
    RawRepresentationFactory = _ => new TurboDiffusionRequestOptions { Frames = 9, Steps = 2 },
};

if (ModelLibrary.Find(null) is not { Name: "shapes" } files)
    throw new InvalidOperationException($"The model is {ModelLibrary.Find(null).Name}, not that of TurboDiffusion.Models.Shapes.");
Console.WriteLine($"Model: {files.Transformer}");

if (!typeof(torch.Tensor).GetMethod(nameof(torch.Tensor.neg))!.MethodImplementationFlags.HasFlag(MethodImplAttributes.NoOptimization))
    throw new InvalidOperationException("TorchSharp.dll is not the corrected one.");

var generator = services.GetRequiredService<IVideoGenerator>();
var response = await generator.GenerateVideoAsync("a red circle", options);
Report("Microsoft.Extensions.AI", ((UriContent)response.Contents[0]).Uri.LocalPath);

var kernel = new Kernel(services);
kernel.Plugins.AddVideoGeneration(generator, new() { Defaults = options });
var result = await kernel.InvokeAsync<VideoGenerationFunctionResult>("Video", "generate_video", new() { ["prompt"] = "a red circle" });
Report("Semantic Kernel", new Uri(result!.VideoUri!).LocalPath);

var ml = new MLContext();
VideoGeneratorRegistry.Register("default", () => generator);
var rows = ml.Data.LoadFromEnumerable(new[] { new Row { Prompt = "a red circle" } });
using var transformer = ml.Transforms.GenerateVideo(new VideoGenerationTransformOptions { VideoOptions = options }).Fit(rows);
foreach (var row in ml.Data.CreateEnumerable<VideoRow>(transformer.Transform(rows), reuseRowObject: false))
    Report("ML.NET", row.Video!.Path!);

static void Report(string integration, string path)
{
    if (new FileInfo(path).Length == 0)
        throw new InvalidOperationException($"{path} is empty.");
    Console.WriteLine($"{integration}: {path}");
}

internal sealed class Row
{
    public string Prompt { get; set; } = "";
}

internal sealed class VideoRow
{
    [VideoType]
    public MLVideo? Video { get; set; }
}
