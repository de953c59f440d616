using TorchSharp;

namespace TurboDiffusion.Checkpoints;

/// <summary>A tensor to be written: what it is, and how to get it when its turn comes.</summary>
/// <param name="Info">Its name, type and shape, known before any tensor is made.</param>
/// <param name="Read">Makes the tensor, on any device; the writer disposes what it makes.</param>
public sealed record TensorSource(TensorInfo Info, Func<torch.Tensor> Read)
{
    /// <summary>A tensor that exists already; it stays the caller's.</summary>
    /// <param name="name">Its name in the file.</param>
    /// <param name="tensor">The tensor.</param>
    public static TensorSource From(string name, torch.Tensor tensor) =>
        new(new TensorInfo(name, tensor.dtype, tensor.shape), tensor.alias);

    /// <summary>Every tensor of a checkpoint, read one at a time as they are written.</summary>
    /// <param name="checkpoint">The checkpoint; it must stay open until the writing is done.</param>
    /// <param name="floatDtype">The type that float tensors are converted to, or null to keep theirs.</param>
    public static IReadOnlyList<TensorSource> From(ICheckpoint checkpoint, torch.ScalarType? floatDtype = null) =>
        [.. checkpoint.Tensors.Values.Select(info =>
            Of(checkpoint, info.Name, floatDtype is { } dtype && TensorInfo.IsFloat(info.Dtype) ? dtype : info.Dtype))];

    /// <summary>A tensor of a checkpoint, read when it is written.</summary>
    /// <param name="checkpoint">The checkpoint; it must stay open until the writing is done.</param>
    /// <param name="name">The tensor.</param>
    /// <param name="dtype">The type that it is written in.</param>
    public static TensorSource Of(ICheckpoint checkpoint, string name, torch.ScalarType dtype)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        TensorInfo info = checkpoint.Tensors[name];
        return info.Dtype == dtype
            ? new TensorSource(info, () => checkpoint.Read(name))
            : new TensorSource(new TensorInfo(name, dtype, info.Shape), () => Converted(checkpoint, name, dtype));
    }

    private static torch.Tensor Converted(ICheckpoint checkpoint, string name, torch.ScalarType dtype)
    {
        using torch.Tensor tensor = checkpoint.Read(name);
        return tensor.to_type(dtype);
    }
}
