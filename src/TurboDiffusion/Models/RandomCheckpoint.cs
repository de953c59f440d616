using System.Security.Cryptography;
using System.Text;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Models;

/// <summary>
/// A checkpoint of random weights for a module of any size: values are made when a tensor is read, from the seed and the
/// tensor's name alone. For trials, benchmarks and the start of a training.
/// </summary>
public sealed class RandomCheckpoint : ICheckpoint
{
    private readonly ulong _seed;

    /// <summary>Describes the weights of a module.</summary>
    /// <param name="module">The module, best on the meta device.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="dtype">The type of the float tensors.</param>
    /// <param name="metadata">Metadata to show.</param>
    public RandomCheckpoint(
        torch.nn.Module module, ulong seed, torch.ScalarType dtype = torch.ScalarType.Float32,
        IReadOnlyDictionary<string, string>? metadata = null)
    {
        _seed = seed;
        Metadata = metadata ?? new Dictionary<string, string>();
        var tensors = new OrderedDictionary<string, TensorInfo>(StringComparer.Ordinal);
        foreach ((string name, torch.Tensor tensor) in module.state_dict())
            tensors.Add(name, new TensorInfo(name, dtype, tensor.shape));
        Tensors = tensors;
    }

    /// <summary>
    /// Where the values are made; null: on the CPU, by <see cref="PhiloxNoise"/>. On a GPU, libtorch makes them, in seconds for
    /// billions: the same whenever they are read, and others than those of the CPU.
    /// </summary>
    internal torch.Device? Device { get; init; }

    /// <inheritdoc/>
    public string Path => "random weights";

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>
    /// Norm weights (<c>gamma</c>, and one-dimensional <c>weight</c>s) are one, biases zero, modulation and everything else
    /// normal with variance 1 / fan-in, so that activations keep their size through the layers.
    /// </summary>
    /// <param name="name">A key of <see cref="Tensors"/>.</param>
    public torch.Tensor Read(string name)
    {
        TensorInfo info = Tensors[name];
        long[] shape = [.. info.Shape];
        if (name.EndsWith("bias", StringComparison.Ordinal)) return torch.zeros(shape, info.Dtype, Device);
        if (name.EndsWith("gamma", StringComparison.Ordinal) || shape.Length == 1) return torch.ones(shape, info.Dtype, Device);
        long fanIn = shape.Skip(1).Aggregate(1L, (n, d) => n * d);
        if (name.EndsWith("modulation", StringComparison.Ordinal)) fanIn = shape[^1];
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{_seed} {name}"));
        if (Device is not null)
            return Devices.Normal(Device, BitConverter.ToInt64(hash), info.Dtype, shape).mul_(1 / Math.Sqrt(fanIn));
        using var scope = torch.NewDisposeScope();
        return (new PhiloxNoise(BitConverter.ToUInt64(hash)).Normal(shape) / Math.Sqrt(fanIn)).to_type(info.Dtype)
            .MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
