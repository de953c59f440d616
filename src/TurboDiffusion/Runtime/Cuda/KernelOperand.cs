using static TorchSharp.torch;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>What the kernels ask of the tensors that they are given.</summary>
internal static unsafe class KernelOperand
{
    // The widest access of a kernel.
    private const long Alignment = 16;

    /// <summary>Whether the kernels know an element type.</summary>
    /// <param name="dtype">The element type.</param>
    public static bool IsElement(ScalarType dtype) => dtype is ScalarType.BFloat16 or ScalarType.Float32;

    /// <summary>The name of an element type in CUDA C++.</summary>
    /// <param name="dtype">bfloat16 or float32.</param>
    public static string Element(ScalarType dtype) => dtype switch
    {
        ScalarType.BFloat16 => "bf16",
        ScalarType.Float32 => "float",
        _ => throw new ArgumentException($"The kernels compute in bfloat16 and float32, not {dtype}.", nameof(dtype)),
    };

    /// <summary>The address of a tensor's data.</summary>
    /// <param name="tensor">A tensor on a GPU.</param>
    /// <param name="dtype">The element type it must have.</param>
    /// <param name="shape">The shape it must have.</param>
    /// <exception cref="ArgumentException">It is not that, not contiguous, or not aligned.</exception>
    public static void* Address(Tensor tensor, ScalarType dtype, params ReadOnlySpan<long> shape)
    {
        if (tensor.dtype != dtype || !HasShape(tensor, shape))
            throw new ArgumentException(
                $"A kernel got {tensor.dtype} [{string.Join(", ", tensor.shape)}] where it takes {dtype} "
                    + $"[{string.Join(", ", shape.ToArray())}].", nameof(tensor));
        return Address(tensor, dtype);
    }

    /// <summary>The address of a tensor's data, whose shape is known.</summary>
    /// <param name="tensor">A tensor on a GPU.</param>
    /// <param name="dtype">The element type it must have.</param>
    /// <exception cref="ArgumentException">It is not that, not contiguous, or not aligned.</exception>
    public static void* Address(Tensor tensor, ScalarType dtype)
    {
        void* address = NativeTensor.DataPointer(tensor);
        if (tensor.dtype != dtype || !KernelDevice.Takes(tensor.device) || !tensor.is_contiguous() || (long)address % Alignment != 0)
            throw new ArgumentException($"A kernel takes contiguous tensors of {dtype} on a GPU, aligned to {Alignment} bytes; it got one "
                + $"of {tensor.dtype} on {tensor.device} with strides [{string.Join(", ", tensor.stride())}].", nameof(tensor));
        return address;
    }

    /// <summary>
    /// Whether a tensor has a shape. Sizes are asked for one after the other: Tensor.shape, an array that libtorch has filled, takes
    /// 1.8 µs, and a size 0.02.
    /// </summary>
    /// <param name="tensor">Any tensor.</param>
    /// <param name="shape">The sizes.</param>
    public static bool HasShape(Tensor tensor, params ReadOnlySpan<long> shape)
    {
        if (tensor.ndim != shape.Length) return false;
        for (int i = 0; i < shape.Length; i++)
            if (tensor.size(i) != shape[i]) return false;
        return true;
    }
}
