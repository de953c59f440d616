using TorchSharp;

namespace TurboDiffusion.Runtime;

/// <summary>
/// The memory of a module's weights, side by side, so that a few copies move them all: a stretch for each element type. Two modules of the
/// same kind lie in two arenas alike.
/// </summary>
internal sealed class WeightArena : IDisposable
{
    // What libtorch's allocator gives tensors on a GPU: kernels find their operands as aligned as anywhere else.
    private const int Alignment = 512;

    private readonly Dictionary<torch.ScalarType, Stretch> _stretches = [];

    /// <summary>Takes the memory.</summary>
    /// <param name="device">Where.</param>
    /// <param name="shape">A module of the kind that is to lie in it; on the meta device, it takes no memory itself.</param>
    public WeightArena(torch.Device device, torch.nn.Module shape)
    {
        using var scope = torch.NewDisposeScope();
        foreach (IGrouping<torch.ScalarType, torch.Tensor> group in shape.state_dict().Values.GroupBy(t => t.dtype))
            _stretches.Add(group.Key, new Stretch(device, group.Key, group.Sum(t => Elements(t.dtype, t.shape))));
    }

    /// <summary>Its stretches: where they are on the device, each at the beginning of a page, and bytes. Alike in arenas alike.</summary>
    public IReadOnlyList<(nint Address, long Bytes)> Stretches => [.. _stretches.Values.Select(s => (s.Address, s.Bytes))];

    /// <summary>Whether every byte is taken, as it is when the module that it was made for is.</summary>
    public bool IsFull => _stretches.Values.All(s => s.Taken == s.Elements);

    /// <summary>The bytes of a module's weights, side by side.</summary>
    /// <param name="shape">The module; on the meta device, it takes no memory itself.</param>
    public static long BytesOf(torch.nn.Module shape) =>
        shape.state_dict().Values.Sum(t => Elements(t.dtype, t.shape) * ScalarTypes.Bytes(t.dtype));

    /// <summary>The next of its memory as a tensor, which keeps its stretch alive.</summary>
    /// <param name="dtype">The element type.</param>
    /// <param name="shape">The sizes.</param>
    public torch.Tensor Take(torch.ScalarType dtype, long[] shape)
    {
        using var scope = torch.NewDisposeScope();
        long elements = shape.Aggregate(1L, (product, size) => product * size), room = Elements(dtype, shape);
        if (!_stretches.TryGetValue(dtype, out Stretch? stretch) || stretch.Taken + room > stretch.Elements)
            throw new InvalidOperationException($"The arena has no room for {elements} elements of {dtype}.");
        torch.Tensor taken = stretch.Memory.narrow(0, stretch.Taken, elements).reshape(shape);
        stretch.Taken += room;
        return taken.MoveToOuterDisposeScope();
    }

    /// <summary>Lets go of the memory; a stretch is freed with the last tensor that lies in it.</summary>
    public void Dispose()
    {
        foreach (Stretch stretch in _stretches.Values) stretch.Memory.Dispose();
    }

    private static long Elements(torch.ScalarType dtype, long[] shape) =>
        RoundedUp(shape.Aggregate(1L, (product, size) => product * size), Alignment / ScalarTypes.Bytes(dtype));

    private static long RoundedUp(long value, long unit) => (value + unit - 1) / unit * unit;

    private sealed class Stretch
    {
        public Stretch(torch.Device device, torch.ScalarType dtype, long elements)
        {
            Memory = PageTensor.Empty(device, dtype, elements);
            (Address, Elements, Bytes) = (NativeTensor.Address(Memory), elements, elements * ScalarTypes.Bytes(dtype));
        }

        public torch.Tensor Memory { get; }

        public nint Address { get; }

        public long Elements { get; }

        public long Bytes { get; }

        public long Taken { get; set; }
    }
}
