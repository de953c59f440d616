namespace TurboDiffusion.Checkpoints.Lora;

/// <summary>Into which of a model's experts a LoRA is merged.</summary>
public enum LoraExperts
{
    /// <summary>Every transformer of the model.</summary>
    All,

    /// <summary>The one for high noise, which serves the first steps.</summary>
    HighNoise,

    /// <summary>The one for low noise, which serves the last steps.</summary>
    LowNoise,
}
