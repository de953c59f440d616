namespace TurboDiffusion.Operators.Attention;

/// <summary>Which of several kernels for the same work run, and how.</summary>
/// <param name="CrossAttention">
/// Whether cross-attention on Hopper runs in <see cref="Sm90CrossAttentionKernel"/>, which takes the padding of a text as one key, instead
/// of torch's attention.
/// </param>
/// <param name="Overlap">
/// How much of its products a warpgroup of <see cref="Sm90Int8AttentionKernel"/> over all keys has under way while it computes: 0, nothing;
/// 1, the next block's scores; 2, those and half of this block's values.
/// </param>
/// <param name="Turns">Whether its warpgroups take turns at issuing products; with some overlap.</param>
internal sealed record AttentionTuning(bool CrossAttention = false, int Overlap = 0, bool Turns = false)
{
    /// <summary>What runs where nothing else is said.</summary>
    public static AttentionTuning Default { get; } = new();

    /// <summary>Every way over all keys.</summary>
    public static IReadOnlyList<AttentionTuning> OverAllKeys { get; } =
        [new(), new(Overlap: 1), new(Overlap: 1, Turns: true), new(Overlap: 2), new(Overlap: 2, Turns: true)];
}
