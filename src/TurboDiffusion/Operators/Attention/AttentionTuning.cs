namespace TurboDiffusion.Operators.Attention;

/// <summary>Which of several kernels for the same work run.</summary>
/// <param name="PairedLists">
/// Whether SageSLA on Hopper has the lists of two query blocks merged beforehand (<see cref="BlockPairsKernel"/>,
/// <see cref="Sm90Int8AttentionKernel"/>), shared blocks first, instead of as it goes (<see cref="Sm90SageAttentionKernel"/>).
/// </param>
/// <param name="CrossAttention">
/// Whether cross-attention on Hopper runs in <see cref="Sm90CrossAttentionKernel"/>, which takes the padding of a text as one key, instead
/// of torch's attention.
/// </param>
/// <param name="Cluster">
/// How many thread blocks of <see cref="Sm90Int8AttentionKernel"/> over all keys read them together: 1 or 2.
/// </param>
internal sealed record AttentionTuning(bool PairedLists, bool CrossAttention = false, int Cluster = 1)
{
    /// <summary>What runs where nothing else is said.</summary>
    public static AttentionTuning Default { get; } = new(PairedLists: false);
}
