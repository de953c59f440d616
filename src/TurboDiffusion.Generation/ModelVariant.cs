using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Generation;

/// <summary>A model's transformers with one set of LoRAs merged into them, beside the parts that all sets share.</summary>
/// <param name="Loras">The LoRAs, open; the variant owns them.</param>
/// <param name="Spec">What it is run with: a step-distillation LoRA changes that.</param>
/// <param name="Identity">Which model it is.</param>
/// <param name="Pipeline">Its transformers with the shared parts.</param>
/// <param name="Parts">The weights of its transformers.</param>
internal sealed record ModelVariant(
    LoraSet Loras, ModelSpec Spec, ModelIdentity Identity, WanPipeline Pipeline, IReadOnlyList<ModelPart> Parts) : IDisposable
{
    /// <summary>Whether one of its transformers is in memory.</summary>
    public bool IsLoaded => Pipeline.Components.Experts.Any(e => e.IsLoaded);

    /// <summary>Frees its transformers; they are loaded and merged again when they are next used.</summary>
    public void Unload()
    {
        foreach (ModelSlot<WanModel> expert in Pipeline.Components.Experts) expert.Dispose();
    }

    /// <summary>Frees its transformers and closes its LoRAs; the shared parts stay.</summary>
    public void Dispose()
    {
        Unload();
        Loras.Dispose();
    }
}
