using System.Runtime.InteropServices;
using TorchSharp;

namespace TurboDiffusion.Runtime;

/// <summary>The address of a tensor's data, which TorchSharp gives only as spans of at most 2 GiB.</summary>
internal static unsafe partial class NativeTensor
{
    /// <summary>The first element of a tensor, on its device. Valid while the tensor lives.</summary>
    /// <param name="tensor">A tensor with storage, on any device.</param>
    public static void* DataPointer(torch.Tensor tensor) => (void*)THSTensor_data(tensor.Handle);

    /// <summary>The same as a number.</summary>
    /// <param name="tensor">A tensor with storage, on any device.</param>
    public static nint Address(torch.Tensor tensor) => (nint)DataPointer(tensor);

    [LibraryImport("LibTorchSharp")]
    private static partial nint THSTensor_data(nint handle);
}
