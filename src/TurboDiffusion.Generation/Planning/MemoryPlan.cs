using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Planning;

/// <summary>The memory that a generation takes, stage by stage: arithmetic on the dimensions, before anything is loaded.</summary>
/// <param name="Residency">Which weights stay.</param>
/// <param name="Stages">Every stage that it has, in order.</param>
public sealed record MemoryPlan(Residency Residency, IReadOnlyList<MemoryStage> Stages)
{
    /// <summary>The stage that takes the most.</summary>
    public MemoryStage Peak => Stages.MaxBy(s => s.Bytes)!;

    /// <summary>Plans a generation.</summary>
    /// <param name="model">What the model takes.</param>
    /// <param name="clip">What is generated.</param>
    /// <param name="residency">Which weights stay.</param>
    public static MemoryPlan Of(ModelFootprint model, ClipExtent clip, Residency residency)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(clip);
        bool stays = residency == Residency.Resident;
        long block = TextBlockBytes(model), text = stays && !model.StreamsText ? model.TextEncoderBytes : block;
        long together = !stays ? 0 : model.ExpertBytes.Sum() + model.VaeBytes + model.ImageEncoderBytes
            + (model.StreamsText ? 0 : model.TextEncoderBytes);
        int size = ScalarTypes.Bytes(model.Dtype);
        long tokens = clip.Tokens(model.Vae);
        long coding = MemoryEstimate.Decoding(model.Vae, clip.Frames, clip.Size.Width, clip.Size.Height, size,
            ModelFootprint.DecodeBudget(residency, size), model.OnGpu);
        long denoising = model.RunsFused
            ? MemoryEstimate.DenoisingFused(model.Transformer, tokens)
            : MemoryEstimate.Denoising(model.Transformer, tokens, size);
        // A clean first frame: six float32 vectors of modulation for each token.
        if (clip.FromImage && model.Transformer.TakesFirstFrame) denoising += 6 * sizeof(float) * tokens * model.Transformer.Dim;
        // Keys and values of every block.
        if (clip.Causal) denoising += 2L * size * tokens * model.Transformer.Dim * model.Transformer.NumLayers;

        long Weights(long own) => stays ? Math.Max(together, own) : own;
        var stages = new List<MemoryStage>
        {
            new(GenerationStage.EncodingText, stays && model.StreamsText ? together + block : Weights(text),
                MemoryEstimate.EncodingText(model.TextEncoder, model.TextLength, size)),
        };
        // Image encoder and autoencoder, one after the other.
        if (clip.FromImage)
            stages.Add(new(GenerationStage.EncodingImage, Weights(Math.Max(model.VaeBytes, model.ImageEncoderBytes)), coding));
        stages.Add(new(GenerationStage.Denoising, Weights(model.ExpertBytes.Max()), denoising));
        stages.Add(new(GenerationStage.Decoding, Weights(model.VaeBytes), coding));
        return new MemoryPlan(residency, stages);
    }

    /// <summary>The plan that a card is given: all weights resident where they fit, else one model at a time.</summary>
    /// <param name="model">What the model takes.</param>
    /// <param name="clip">What is generated.</param>
    /// <param name="availableBytes">The memory that there is.</param>
    /// <returns>The plan; null where neither fits.</returns>
    public static MemoryPlan? Choose(ModelFootprint model, ClipExtent clip, long availableBytes) =>
        Enum.GetValues<Residency>().Select(residency => Of(model, clip, residency))
            .FirstOrDefault(plan => plan.Peak.Bytes <= availableBytes);

    // One block of the encoder, into which each is read in turn.
    private static long TextBlockBytes(ModelFootprint model)
    {
        UMT5Config text = model.TextEncoder;
        return (4 * text.Dim * text.DimAttn + 3 * text.Dim * text.DimFfn) * ScalarTypes.Bytes(model.Dtype);
    }
}
