using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>Runs layers one after another, freeing each intermediate tensor once it has been read.</summary>
internal static class VaeLayers
{
    private const long LargestWindows = 1200L << 20;

    /// <summary>Runs layers on a chunk (or, without a cache, on a whole clip).</summary>
    public static Tensor Run(IReadOnlyList<VaeLayer> layers, Tensor input, CausalCache? cache, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        Tensor x = input;
        foreach (VaeLayer layer in layers)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Tensor output = layer.forward(x, cache);
            if (!ReferenceEquals(x, input)) x.Dispose();
            x = output;
        }
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Runs layers that leave time as it is. With a cache, the frames of a chunk go through a few at a time, on the CPU one by one: the
    /// result is the same, and the tensors of these layers, which are the largest, a fraction of the size.
    /// </summary>
    /// <param name="layers">The layers.</param>
    /// <param name="input"><c>[B, C, T, H, W]</c></param>
    /// <param name="largest">Values of a frame at the layers' full resolution.</param>
    /// <param name="cache">The clip's past, or null.</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    public static Tensor RunFewFrames(
        IReadOnlyList<VaeLayer> layers, Tensor input, long largest, CausalCache? cache, CancellationToken cancellationToken)
    {
        long frames = input.shape[2], together = FramesTogether(input, largest);
        if (cache is null || frames <= together) return Run(layers, input, cache, cancellationToken);
        using var scope = NewDisposeScope();
        Tensor[] parts = [.. input.split(together, 2).Select(part => Run(layers, part, cache, cancellationToken))];
        return cat(parts, dim: 2).MoveToOuterDisposeScope();
    }

    // On a GPU, as many as make the windows of three frames no larger than this: more frames are fewer launches and fewer copies of the
    // past.
    private static long FramesTogether(Tensor input, long largest) => input.device_type == TorchSharp.DeviceType.CUDA
        ? Math.Max(1, LargestWindows / (3 * largest * input.element_size()))
        : 1;
}
