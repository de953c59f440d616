using Microsoft.Extensions.AI;
using SkiaSharp;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;

// An image becomes the first frame of a video.
//   dotnet run --project samples/ImageToVideo
//   TURBODIFFUSION_MODEL=TurboWan2.2-A14B dotnet run --project samples/ImageToVideo -- photo.jpg "the boat sails away"
var folder = Directory.CreateTempSubdirectory("turbodiffusion-").FullName;
var image = args.ElementAtOrDefault(0) ?? DrawSun(Path.Combine(folder, "sun.png"));
var prompt = args.ElementAtOrDefault(1) ?? "the sun sets behind the sea";

// <animate>
using IVideoGenerator generator = new TurboDiffusionVideoGenerator(new TurboDiffusionOptions
{
    Model = Environment.GetEnvironmentVariable("TURBODIFFUSION_MODEL") ?? TrialModel(Path.Combine(folder, "model")),
    OutputDirectory = folder,
});
var response = await generator.AnimateImageAsync(await DataContent.LoadFromAsync(image), prompt, new VideoGenerationOptions
{
    Duration = TimeSpan.FromSeconds(1),
    Seed = 7,
}.WithTurboDiffusion(o => o.Steps = 2));
var video = (UriContent)response.Contents[0];
Console.WriteLine($"video: {video.Uri.LocalPath}, {video.GetVideoInfo()}");
// </animate>

// An image-to-video model of random weights, for trials: its pictures are noise.
static string TrialModel(string folder)
{
    new SmallModel { Like = ModelSpec.I2VA14B }.Write(folder);
    return folder;
}

static string DrawSun(string path)
{
    using var surface = SKSurface.Create(new SKImageInfo(256, 160));
    surface.Canvas.Clear(SKColors.SkyBlue);
    using (var paint = new SKPaint { Color = SKColors.Orange, IsAntialias = true })
        surface.Canvas.DrawCircle(128, 60, 30, paint);
    using (var paint = new SKPaint { Color = SKColors.DarkBlue })
        surface.Canvas.DrawRect(0, 110, 256, 50, paint);
    using var snapshot = surface.Snapshot();
    using var png = snapshot.Encode(SKEncodedImageFormat.Png, 100);
    using var file = File.Create(path);
    png.SaveTo(file);
    return path;
}
