using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Generation.Planning;

/// <summary>The memory of one stage of a generation.</summary>
/// <param name="Stage">Which.</param>
/// <param name="WeightBytes">Weights in memory while it runs.</param>
/// <param name="WorkingBytes">The largest tensors beside them, estimated (<see cref="MemoryEstimate"/>).</param>
public sealed record MemoryStage(GenerationStage Stage, long WeightBytes, long WorkingBytes)
{
    /// <summary>All of it.</summary>
    public long Bytes => WeightBytes + WorkingBytes;
}
