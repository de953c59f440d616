using TorchSharp;
using TorchSharp.Modules;

namespace TurboDiffusion.Runtime;

/// <summary>Where a model's weights live and what their element type is.</summary>
/// <param name="Device">CPU, a CUDA device, or meta (names and shapes only, no memory).</param>
/// <param name="Dtype">The element type of float weights. What must stay in float32 does so whatever this says.</param>
public readonly record struct Placement(torch.Device Device, torch.ScalarType Dtype)
{
    /// <summary>Float32 on the CPU: the reference placement.</summary>
    public static Placement Cpu { get; } = new(torch.CPU, torch.ScalarType.Float32);

    /// <summary>The memory that weights are to lie in side by side, on that device; null: each has its own.</summary>
    internal WeightArena? Arena { get; init; }

    /// <summary>Bytes per float value.</summary>
    public int ElementSize => ScalarTypes.Bytes(Dtype);

    /// <summary>Names, types and shapes without memory.</summary>
    public static Placement Meta { get; } = new(torch.META, torch.ScalarType.Float32);

    /// <summary>
    /// A parameter with memory but no values yet: the checkpoint loader (or an initialiser) writes every element.
    /// On the CPU, pages become resident only when they are written.
    /// </summary>
    /// <param name="shape">The sizes.</param>
    public Parameter Empty(params long[] shape) => Empty(Dtype, shape);

    /// <summary>As <see cref="Empty(long[])"/>, with an element type of its own.</summary>
    /// <param name="dtype">The element type.</param>
    /// <param name="shape">The sizes.</param>
    public Parameter Empty(torch.ScalarType dtype, params long[] shape)
    {
        LibTorch.Require();
        var parameter = new Parameter(Arena?.Take(dtype, shape) ?? torch.empty(shape, dtype, Device), requires_grad: false);
        // Weights live as long as their module, not as the dispose scope that it happens to be made in.
        parameter.DetachFromDisposeScope();
        return parameter;
    }
}
