using TorchSharp;
using TurboDiffusion.Checkpoints;

namespace TurboDiffusion.Tests.Models;

/// <summary>The header of the checkpoint that a module would be saved as.</summary>
internal sealed class ShapesOnly(torch.nn.Module module) : ICheckpoint
{
    public string Path => "shapes.safetensors";

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; } =
        module.state_dict().ToDictionary(t => t.Key, t => new TensorInfo(t.Key, t.Value.dtype, t.Value.shape));

    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    public torch.Tensor Read(string name) => throw new NotSupportedException();

    public void Dispose() => module.Dispose();
}
