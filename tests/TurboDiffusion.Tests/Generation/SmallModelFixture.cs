using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using Xunit;

[assembly: AssemblyFixture(typeof(TurboDiffusion.Tests.Generation.SmallModelFixture))]

namespace TurboDiffusion.Tests.Generation;

/// <summary>Small random models, written once for all tests, and a folder for outputs.</summary>
public sealed class SmallModelFixture : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("turbodiffusion-tests-").FullName;

    public SmallModelFixture()
    {
        TextToVideo = new SmallModel().Write(Path.Combine(_root, "t2v"));
        ImageToVideo = new SmallModel { Like = ModelSpec.I2VA14B }.Write(Path.Combine(_root, "i2v"));
    }

    public ModelFiles TextToVideo { get; }

    public ModelFiles ImageToVideo { get; }

    /// <summary>A new empty folder.</summary>
    public string NewFolder() => Directory.CreateDirectory(Path.Combine(_root, Path.GetRandomFileName())).FullName;

    /// <summary>The smallest request, into a new folder.</summary>
    public VideoRequest Request(string prompt = "a red circle") => new()
    {
        Prompt = prompt,
        Size = new(32, 32),
        Frames = 5,
        Steps = 2,
        Seed = 7,
        OutputPath = Path.Combine(NewFolder(), "video.mp4"),
    };

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
