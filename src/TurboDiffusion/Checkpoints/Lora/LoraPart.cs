namespace TurboDiffusion.Checkpoints.Lora;

/// <summary>What a tensor of a LoRA is to its layer.</summary>
internal enum LoraPart
{
    /// <summary>A, <c>[rank, in]</c>.</summary>
    Down,

    /// <summary>B, <c>[out, rank]</c>.</summary>
    Up,

    /// <summary>α, one number: the change is α / rank · B·A.</summary>
    Alpha,

    /// <summary>The bias of B, <c>[out]</c>: α / rank of it is added to the layer's.</summary>
    UpBias,

    /// <summary>What is added to the weight, in the weight's own shape.</summary>
    WeightDifference,

    /// <summary>What is added to the bias.</summary>
    BiasDifference,

    /// <summary>What is added to the modulation.</summary>
    ModulationDifference,
}
