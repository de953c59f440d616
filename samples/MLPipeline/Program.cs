using MLPipeline;
using Microsoft.ML;
using Microsoft.ML.Data;
using TurboDiffusion.ML;

// A CSV file of prompts to videos and a report.
//   dotnet run --project samples/MLPipeline
//   TURBODIFFUSION_MODEL=TurboWan2.1-1.3B dotnet run --project samples/MLPipeline -- my-prompts.csv videos
var prompts = args.ElementAtOrDefault(0) ?? Path.Combine(AppContext.BaseDirectory, "prompts.csv");
var folder = args.ElementAtOrDefault(1) ?? Directory.CreateTempSubdirectory("turbodiffusion-").FullName;

// <pipeline>
var ml = new MLContext();
var rows = ml.Data.LoadFromTextFile<PromptRow>(prompts, separatorChar: ',', hasHeader: true, allowQuoting: true);
var pipeline = ml.Transforms.Text.NormalizeText("Text", "Prompt", keepPunctuations: true)
    .Append(ml.Transforms.GenerateVideo(new VideoGenerationTransformOptions
    {
        InputColumnName = "Text",
        SeedColumnName = "Seed",
        PathColumnName = "Path",
        Engine = new()
        {
            Model = Environment.GetEnvironmentVariable("TURBODIFFUSION_MODEL"),
            OutputDirectory = folder,
        },
    }));
using var model = pipeline.Fit(rows);

// Nothing has been generated so far; each row is generated when it is read.
var report = Path.Combine(folder, "report.csv");
using (var writer = new StreamWriter(report))
{
    writer.WriteLine("Prompt,Width,Height,Frames,Seconds,Seed,Path");
    foreach (var row in ml.Data.CreateEnumerable<VideoRow>(model.Transform(rows), reuseRowObject: false))
    {
        var video = row.Video!.Info!;
        writer.WriteLine(
            $"\"{row.Text}\",{video.Width},{video.Height},{video.FrameCount},{video.Duration.TotalSeconds},{video.Seed},{row.Path}");
        Console.WriteLine($"{row.Text}: {row.Path}");
    }
}
// </pipeline>

// <save>
// The model file holds the whole pipeline; any process with this library, and the video model, can load it.
var file = Path.Combine(folder, "pipeline.zip");
ml.Model.Save(model, rows.Schema, file);
var loaded = new MLContext().Model.Load(file, out _);
// </save>
Console.WriteLine($"report: {report}");
Console.WriteLine($"loaded: {loaded.GetOutputSchema(rows.Schema)["Video"].Type}");
