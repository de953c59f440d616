namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>The same numbers, in the same order, under another shape. Null where a shape does not fit.</summary>
/// <param name="ToNative">From the foreign shape to ours.</param>
/// <param name="ToForeign">The inverse.</param>
public sealed record TensorReshape(
    Func<IReadOnlyList<long>, IReadOnlyList<long>?> ToNative, Func<IReadOnlyList<long>, IReadOnlyList<long>?> ToForeign)
{
    private const int Patch = 2;

    /// <summary>A Conv3d patch embedding <c>[dim, in, 1, 2, 2]</c> as the linear one <c>[dim, in·4]</c> of the Turbo files.</summary>
    public static TensorReshape PatchConvolution { get; } = new(
        shape => shape is [var dim, var channels, 1, Patch, Patch] ? [dim, channels * Patch * Patch] : null,
        shape => shape is [var dim, var columns] && columns % (Patch * Patch) == 0
            ? [dim, columns / (Patch * Patch), 1, Patch, Patch]
            : null);

    /// <summary>A matrix, as it is: tells a Turbo file from one with a convolution.</summary>
    public static TensorReshape Matrix { get; } = new(
        shape => shape.Count == 2 ? shape : null,
        shape => shape.Count == 2 ? shape : null);

    /// <summary><c>[1, N, dim]</c>, as modulations are, which writers of GGUF files may keep without its first axis.</summary>
    public static TensorReshape FirstAxisOfOne { get; } = new(
        shape => shape.Count == 2 ? [1, .. shape] : shape,
        shape => shape);

    /// <summary>A tensor with axes of one in front of it, which the foreign file does without.</summary>
    /// <param name="rank">How many axes the foreign file has.</param>
    /// <param name="ones">How many of one stand before them here.</param>
    public static TensorReshape LeadingAxes(int rank, int ones) => new(
        shape => shape.Count == rank ? [.. Enumerable.Repeat(1L, ones), .. shape] : null,
        shape => shape.Count == rank + ones && shape.Take(ones).All(n => n == 1) ? [.. shape.Skip(ones)] : null);

    /// <summary>The other direction.</summary>
    public TensorReshape Inverse => new(ToForeign, ToNative);
}
