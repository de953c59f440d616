namespace TurboDiffusion.Operators.Attention;

/// <summary>Which of several kernels for the same work run.</summary>
/// <param name="PairedLists">
/// Whether SageSLA on Hopper has the lists of two query blocks merged beforehand (<see cref="BlockPairsKernel"/>,
/// <see cref="Sm90Int8AttentionKernel"/>), shared blocks first, instead of as it goes (<see cref="Sm90SageAttentionKernel"/>).
/// </param>
internal sealed record AttentionTuning(bool PairedLists)
{
    /// <summary>What runs where nothing else is said.</summary>
    public static AttentionTuning Default { get; } = new(PairedLists: false);
}
