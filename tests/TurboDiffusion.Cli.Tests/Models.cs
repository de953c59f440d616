using TurboDiffusion.Generation.Models;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using Xunit;

[assembly: AssemblyFixture(typeof(TurboDiffusion.Cli.Tests.Models))]

namespace TurboDiffusion.Cli.Tests;

/// <summary>A small model, made once, as the trial model of a library of its own.</summary>
public sealed class Models : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("turbodiffusion-cli-").FullName;

    public Models()
    {
        Folder = Path.Combine(_root, "small-random");
        Files = new SmallModel().Write(Folder);
        // Before any test: the library of this process, and of those that it starts.
        Environment.SetEnvironmentVariable(ModelLibrary.FolderVariable, _root);
    }

    public string Folder { get; }

    public ModelFiles Files { get; }

    /// <summary>A new empty folder.</summary>
    public string NewFolder() => Directory.CreateDirectory(Path.Combine(_root, "work", Path.GetRandomFileName())).FullName;

    /// <summary>A small transformer of one of the variants.</summary>
    public string Transformer(AttentionKind attention, WeightFormat weights)
    {
        string path = Path.Combine(NewFolder(), "transformer.safetensors");
        SmallModel.WriteTransformer(path, new SmallModel().TransformerConfig, weights, 1, TorchSharp.torch.ScalarType.Float32,
            AttentionOptions.Of(attention));
        return path;
    }

    /// <summary>The smallest generation.</summary>
    public string[] Generate(string output, params string[] more) =>
        ["generate", "a red circle", "--model", Folder, "--device", "cpu", "--size", "32x32", "--frames", "5", "--steps", "1", "--seed",
            "7", "-o", output, .. more];

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
