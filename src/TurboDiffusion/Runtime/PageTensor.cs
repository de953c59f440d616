using TorchSharp;

namespace TurboDiffusion.Runtime;

/// <summary>Flat tensors that begin at a page of memory and share none with anything else, as pinning takes them.</summary>
internal static class PageTensor
{
    private const int Page = 4096;

    /// <summary>Takes memory.</summary>
    /// <param name="device">Where.</param>
    /// <param name="dtype">The element type.</param>
    /// <param name="elements">How many elements.</param>
    /// <returns><c>[elements]</c>, without values; the caller owns it, and no dispose scope does.</returns>
    public static torch.Tensor Empty(torch.Device device, torch.ScalarType dtype, long elements)
    {
        using var scope = torch.NewDisposeScope();
        int size = ScalarTypes.Bytes(dtype);
        torch.Tensor all = torch.empty([elements + 2 * Page / size], dtype, device);
        long before = (Page - NativeTensor.Address(all) % Page) % Page;
        return all.narrow(0, before / size, elements).DetachFromDisposeScope();
    }

    /// <summary>Bytes of the pages that a tensor of <see cref="Empty"/> fills.</summary>
    /// <param name="bytes">Its bytes.</param>
    public static long PageBytes(long bytes) => (bytes + Page - 1) / Page * Page;
}
