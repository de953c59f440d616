namespace TurboDiffusion.Orleans.Storage;

/// <summary>Which segments a <see cref="GrainLog{T}"/> has.</summary>
internal sealed class LogHead
{
    /// <summary>The first.</summary>
    public long First { get; init; }

    /// <summary>The last; before the first where there is none.</summary>
    public long Last { get; init; } = -1;
}
