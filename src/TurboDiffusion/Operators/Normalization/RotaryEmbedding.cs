using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>
/// Rotary position embedding over (frame, row, column): interleaved channel pairs rotate by position · 10000^(−i/n). The
/// rows and columns take 2·⌊D/6⌋ channels each, the frames the rest; order frames, rows, columns.
/// </summary>
public sealed class RotaryEmbedding : IDisposable
{
    private const double Theta = 10000;

    private readonly Tensor _cosines;
    private readonly Tensor _sines;
    private Tensor? _rotations;

    private RotaryEmbedding(Tensor cosines, Tensor sines)
    {
        _cosines = cosines;
        _sines = sines;
    }

    /// <summary>Float32 <c>[1, L, 1, D/2]</c>.</summary>
    internal Tensor Cosines => _cosines;

    /// <summary>Float32 <c>[1, L, 1, D/2]</c>.</summary>
    internal Tensor Sines => _sines;

    /// <summary>D.</summary>
    internal long HeadDim => _cosines.size(-1) * 2;

    /// <summary>The rotations of a grid of patches.</summary>
    /// <param name="headDim">D, even.</param>
    /// <param name="frames">Patches along time.</param>
    /// <param name="rows">Patches along the height.</param>
    /// <param name="columns">Patches along the width.</param>
    /// <param name="device">Where q and k are.</param>
    /// <param name="firstFrame">The position of the first of the frames.</param>
    public static RotaryEmbedding Create(int headDim, long frames, long rows, long columns, Device device, long firstFrame = 0)
    {
        using var scope = NewDisposeScope();
        int spatial = headDim / 6 * 2, temporal = headDim - 2 * spatial;
        Tensor[] angles =
        [
            Angles(frames, temporal, firstFrame).reshape(frames, 1, 1, -1),
            Angles(rows, spatial).reshape(1, rows, 1, -1),
            Angles(columns, spatial).reshape(1, 1, columns, -1),
        ];
        // Each axis has few angles: only they are computed, and what all positions make of them is put together on the device.
        Tensor Table(Func<Tensor, Tensor> function) =>
            cat([.. angles.Select(a => function(a).to(ScalarType.Float32, device).expand(frames, rows, columns, -1))], dim: -1)
                .reshape(1, frames * rows * columns, 1, headDim / 2);
        // Kept by the object, which its owner disposes.
        return new RotaryEmbedding(Table(a => a.cos()).DetachFromDisposeScope(), Table(a => a.sin()).DetachFromDisposeScope());
    }

    /// <summary>Rotates q or k, in float32.</summary>
    /// <param name="x"><c>[B, L, H, D]</c></param>
    /// <returns><c>[B, L, H, D]</c> in x's dtype.</returns>
    public Tensor Rotate(Tensor x)
    {
        using var scope = NewDisposeScope();
        // A pair of channels is a complex number, and a rotation its product with e^(i·angle).
        Tensor pairs = x.to_type(ScalarType.Float32).unflatten(x.dim() - 1, [-1, 2]).view_as_complex();
        // The kernels take cosines and sines: only the plain form needs them as complex numbers.
        _rotations ??= complex(_cosines, _sines).DetachFromDisposeScope();
        return (pairs * _rotations).view_as_real().flatten(x.dim() - 1).to_type(x.dtype).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cosines.Dispose();
        _sines.Dispose();
        _rotations?.Dispose();
    }

    private static Tensor Angles(long positions, int channels, long first = 0) =>
        outer(arange(first, first + positions, ScalarType.Float64),
            pow(Theta, -arange(0, channels, 2, ScalarType.Float64) / channels));
}
