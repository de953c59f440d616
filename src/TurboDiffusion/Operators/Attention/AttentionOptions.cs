namespace TurboDiffusion.Operators.Attention;

/// <summary>Which self-attention operator a model runs, and how sparse it is.</summary>
public sealed record AttentionOptions
{
    /// <summary>The share of key blocks that the paper's checkpoints keep by default.</summary>
    public const double DefaultTopKRatio = 0.1;

    /// <summary>Full softmax attention.</summary>
    public static AttentionOptions Dense { get; } = new(AttentionKind.Dense, 1, 0, 0);

    /// <summary>Full softmax attention in int8, with a scale for 64 queries and for 128 keys.</summary>
    public static AttentionOptions Sage { get; } = new(AttentionKind.Sage, 1, 64, 128);

    private AttentionOptions(AttentionKind kind, double topKRatio, int queryBlock, int keyBlock)
    {
        Kind = kind;
        TopKRatio = topKRatio;
        QueryBlock = queryBlock;
        KeyBlock = keyBlock;
    }

    /// <summary>The operator.</summary>
    public AttentionKind Kind { get; }

    /// <summary>
    /// Whether it is sparse-linear attention, which keeps a share of the key blocks and has a projection among the model's weights.
    /// </summary>
    public bool IsSparse => Kind is AttentionKind.Sla or AttentionKind.SageSla;

    /// <summary>The share of key blocks that each query block keeps, in (0, 1].</summary>
    public double TopKRatio { get; }

    /// <summary>Tokens per query block; 0 for dense attention.</summary>
    public int QueryBlock { get; }

    /// <summary>Tokens per key block; 0 for dense attention.</summary>
    public int KeyBlock { get; }

    /// <summary>Sparse-linear attention in blocks of 128 queries and 64 keys, as the official inference code.</summary>
    /// <param name="topKRatio">The share of key blocks kept, in (0, 1]; 0.15 is recommended for quality.</param>
    /// <param name="queryBlock">Tokens per query block.</param>
    /// <param name="keyBlock">Tokens per key block.</param>
    /// <exception cref="InvalidRequestException">The ratio or a block size is out of range.</exception>
    public static AttentionOptions Sla(double topKRatio = DefaultTopKRatio, int queryBlock = 128, int keyBlock = 64) =>
        new(AttentionKind.Sla, CheckedRatio(topKRatio), CheckedBlock(queryBlock), CheckedBlock(keyBlock));

    /// <summary>The int8/fp8 form in blocks of 64 queries and 128 keys, as the official sm90 kernel.</summary>
    /// <param name="topKRatio">The share of key blocks kept, in (0, 1]; 0.15 is recommended for quality.</param>
    /// <param name="queryBlock">Tokens per query block.</param>
    /// <param name="keyBlock">Tokens per key block.</param>
    /// <exception cref="InvalidRequestException">The ratio or a block size is out of range.</exception>
    public static AttentionOptions SageSla(double topKRatio = DefaultTopKRatio, int queryBlock = 64, int keyBlock = 128) =>
        new(AttentionKind.SageSla, CheckedRatio(topKRatio), CheckedBlock(queryBlock), CheckedBlock(keyBlock));

    /// <summary>The operator of a kind.</summary>
    /// <param name="kind">The operator.</param>
    /// <param name="topKRatio">The share of key blocks kept; used by sparse attention alone.</param>
    /// <param name="block">Tokens per query and per key block, of a model tuned with others than the kind's own; as the ratio.</param>
    /// <exception cref="InvalidRequestException">The ratio or the block size is out of range.</exception>
    public static AttentionOptions Of(AttentionKind kind, double topKRatio = DefaultTopKRatio, int? block = null) => (kind, block) switch
    {
        (AttentionKind.Dense, _) => Dense,
        (AttentionKind.Sage, _) => Sage,
        (AttentionKind.Sla, null) => Sla(topKRatio),
        (AttentionKind.Sla, { } size) => Sla(topKRatio, size, size),
        (AttentionKind.SageSla, null) => SageSla(topKRatio),
        (AttentionKind.SageSla, { } size) => SageSla(topKRatio, size, size),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Unknown attention kind."),
    };

    /// <summary>
    /// How many of <paramref name="keyBlocks"/> key blocks a query block keeps: ⌊ratio · K⌋, and never fewer than one. (The
    /// official code keeps none for a ratio under 1/K and divides by zero; a query must attend to something.)
    /// </summary>
    /// <param name="keyBlocks">K, the number of key blocks.</param>
    public int KeptBlocks(int keyBlocks) => Math.Clamp((int)(TopKRatio * keyBlocks), 1, keyBlocks);

    private static double CheckedRatio(double ratio) => ratio is > 0 and <= 1
        ? ratio
        : throw new InvalidRequestException("topk",
            $"The attention's top-k ratio is {ratio}; give the share of key blocks to keep, above 0 and at most 1 (default "
                + $"{DefaultTopKRatio}).");

    private static int CheckedBlock(int size) => size is >= 16 and <= 1024 && size % 16 == 0
        ? size
        : throw new InvalidRequestException("block", $"The attention's block size is {size}; give a multiple of 16 between 16 and 1024.");
}
