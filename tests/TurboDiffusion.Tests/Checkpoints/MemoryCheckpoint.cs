using TorchSharp;
using TurboDiffusion.Checkpoints;

namespace TurboDiffusion.Tests.Checkpoints;

/// <summary>A checkpoint that lives in memory.</summary>
public sealed class MemoryCheckpoint(params (string Name, torch.Tensor Value)[] tensors) : ICheckpoint
{
    public string Path => "memory";

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; } =
        tensors.ToDictionary(t => t.Name, t => new TensorInfo(t.Name, t.Value.dtype, t.Value.shape));

    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    public torch.Tensor Read(string name) => tensors.First(t => t.Name == name).Value.clone();

    public void Dispose()
    {
        foreach ((_, torch.Tensor value) in tensors) value.Dispose();
    }
}
