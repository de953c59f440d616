using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;

namespace TurboDiffusion.Extensions.Tests;

/// <summary>Small random models on disk, written once for all tests.</summary>
internal static class EngineModels
{
    private static readonly Lazy<string> Text = new(() => Write(new SmallModel()));
    private static readonly Lazy<string> Image = new(() => Write(new SmallModel { Like = ModelSpec.I2VA14B }));

    public static string TextToVideo => Text.Value;

    public static string ImageToVideo => Image.Value;

    private static string Write(SmallModel model)
    {
        var folder = Directory.CreateTempSubdirectory("turbodiffusion-model-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        model.Write(folder);
        return folder;
    }
}
