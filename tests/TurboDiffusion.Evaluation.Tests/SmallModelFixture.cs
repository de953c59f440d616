using TurboDiffusion.Generation.Models;
using Xunit;

[assembly: AssemblyFixture(typeof(TurboDiffusion.Evaluation.Tests.SmallModelFixture))]

namespace TurboDiffusion.Evaluation.Tests;

/// <summary>A small model of random weights, made once.</summary>
public sealed class SmallModelFixture : IDisposable
{
    public SmallModelFixture() => Files = new SmallModel { VaeDim = 4 }.Write(Folder);

    public string Folder { get; } = Directory.CreateTempSubdirectory("turbodiffusion-evaluation-").FullName;

    public ModelFiles Files { get; }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
