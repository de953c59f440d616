namespace TurboDiffusion.Models;

/// <summary>How a LoRA fits a published model.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="IgnoredLayers">How many of its layers the model does not have.</param>
public sealed record LoraFit(string Model, int IgnoredLayers);
