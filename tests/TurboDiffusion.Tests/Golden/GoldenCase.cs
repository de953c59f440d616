using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Checkpoints;

namespace TurboDiffusion.Tests.Golden;

/// <summary>
/// One file of the golden folder: inputs, weights, intermediate values and outputs of the official code, with the
/// tolerance at which they must be reproduced.
/// </summary>
public sealed class GoldenCase : IDisposable
{
    private readonly SafetensorsFile _file;

    public GoldenCase(string path)
    {
        Path = path;
        _file = SafetensorsFile.Open(path);
        Kind = _file.Metadata["kind"];
        Config = JsonDocument.Parse(_file.Metadata["config"]).RootElement;
        Tolerance = JsonDocument.Parse(_file.Metadata["tolerance"]).RootElement;
    }

    public string Path { get; }

    public string Kind { get; }

    public JsonElement Config { get; }

    public JsonElement Tolerance { get; }

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _file.Tensors;

    /// <summary>The weights (keys without <c>weight::</c>, and without a further prefix) as a checkpoint to load.</summary>
    public ICheckpoint Weights(string prefix = "") => new PrefixedCheckpoint(_file, "weight::" + prefix);

    /// <summary>The path of an input file that the case names: it lies in <c>files</c> beside the case.</summary>
    public string File(string name) => System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path)!, "files", name);

    public bool Has(string name) => _file.Tensors.ContainsKey(name);

    public torch.Tensor Read(string name) => _file.Read(name);

    public torch.Tensor Input(string name) => _file.Read("input::" + name);

    public torch.Tensor Output(string name) => _file.Read("output::" + name);

    /// <summary>Compares with <c>output::name</c> or <c>mid::name</c> at the case's tolerance.</summary>
    public void Check(string name, torch.Tensor actual)
    {
        using torch.Tensor expected = _file.Read(name);
        Comparison.Close(expected, actual, Tolerance, $"{System.IO.Path.GetFileName(Path)} {name}");
    }

    public void Dispose() => _file.Dispose();

    private sealed class PrefixedCheckpoint(ICheckpoint inner, string prefix) : ICheckpoint
    {
        public string Path => inner.Path;

        public IReadOnlyDictionary<string, TensorInfo> Tensors { get; } = inner.Tensors
            .Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(t => t.Key[prefix.Length..], t => t.Value with { Name = t.Key[prefix.Length..] });

        public IReadOnlyDictionary<string, string> Metadata => inner.Metadata;

        public torch.Tensor Read(string name) => inner.Read(prefix + name);

        public void Dispose()
        {
        }
    }
}
