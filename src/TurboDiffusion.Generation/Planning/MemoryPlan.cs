using TurboDiffusion.Models.Wan;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Planning;

/// <summary>The memory that a generation takes, stage by stage: arithmetic on the dimensions, before anything is loaded.</summary>
/// <param name="Residency">Which weights stay.</param>
/// <param name="Stages">Every stage that it has, in order.</param>
/// <param name="HostBytes">Weights in pinned host memory.</param>
public sealed record MemoryPlan(Residency Residency, IReadOnlyList<MemoryStage> Stages, long HostBytes = 0)
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
        long block = model.TextBlockBytes, text = stays && !model.StreamsText ? model.TextEncoderBytes : block;
        // What is in memory in every stage: all; or, of transformers whose blocks are swapped, the rest and the slots.
        long together = residency switch
        {
            Residency.Resident => model.ExpertBytes.Sum() + model.VaeBytes + model.ImageEncoderBytes
                + (model.StreamsText ? 0 : model.TextEncoderBytes),
            Residency.Swapped => model.ExpertBytes.Sum(bytes => SwappingBytes(model, bytes)),
            _ => 0,
        };
        int size = ScalarTypes.Bytes(model.Dtype), ofVae = ScalarTypes.Bytes(model.VaeDtype);
        long tokens = clip.Tokens(model.Vae);
        long coding = MemoryEstimate.Decoding(model.Vae, clip.Frames, clip.Size.Width, clip.Size.Height, ofVae,
            ModelFootprint.DecodeBudget(residency, ofVae), model.OnGpu, model.OnGpu && model.DecodesInFrames);
        long denoising = model.RunsFused
            ? MemoryEstimate.DenoisingFused(model.Transformer, tokens)
            : MemoryEstimate.Denoising(model.Transformer, tokens, size);
        // A clean first frame: six float32 vectors of modulation for each token.
        if (clip.FromImage && model.Transformer.TakesFirstFrame) denoising += 6 * sizeof(float) * tokens * model.Transformer.Dim;
        // Keys and values of every block.
        if (clip.Causal) denoising += 2L * size * tokens * model.Transformer.Dim * model.Transformer.NumLayers;

        long Weights(long own) => stays ? Math.Max(together, own) : together + own;
        var stages = new List<MemoryStage>
        {
            new(GenerationStage.EncodingText, stays && model.StreamsText ? together + block : Weights(text),
                MemoryEstimate.EncodingText(model.TextEncoder, model.TextEncoderWeights, model.TextLength, size)),
        };
        // Image encoder and autoencoder, one after the other.
        if (clip.FromImage)
            stages.Add(new(GenerationStage.EncodingImage, Weights(Math.Max(model.VaeBytes, model.ImageEncoderBytes)), coding));
        stages.Add(new(GenerationStage.Denoising, Weights(residency == Residency.Swapped ? 0 : model.ExpertBytes.Max()), denoising));
        stages.Add(new(GenerationStage.Decoding, Weights(model.VaeBytes), coding));
        return new MemoryPlan(residency, stages,
            residency == Residency.Swapped ? model.ExpertBytes.Count * model.SwappedBytes : 0);
    }

    /// <summary>
    /// The plan that a card is given: all weights resident where they fit; else one model at a time; else, on a GPU, one block at a time.
    /// </summary>
    /// <param name="model">What the model takes.</param>
    /// <param name="clip">What is generated.</param>
    /// <param name="availableBytes">The memory that there is.</param>
    /// <returns>The plan; null where none fits.</returns>
    public static MemoryPlan? Choose(ModelFootprint model, ClipExtent clip, long availableBytes) =>
        Candidates(model, clip).FirstOrDefault(plan => plan.Peak.Bytes <= availableBytes);

    /// <summary>The plan that takes the least.</summary>
    /// <param name="model">What the model takes.</param>
    /// <param name="clip">What is generated.</param>
    public static MemoryPlan Least(ModelFootprint model, ClipExtent clip) => Candidates(model, clip).MinBy(plan => plan.Peak.Bytes)!;

    /// <summary>Why the weights stay, or do not.</summary>
    /// <param name="model">What the model takes.</param>
    /// <param name="clip">What is generated.</param>
    /// <param name="chosen">The residency that is chosen; null: none fits.</param>
    /// <param name="availableBytes">The memory that there is.</param>
    /// <param name="asked">Whether it was asked for.</param>
    public static string Reason(ModelFootprint model, ClipExtent clip, Residency? chosen, long availableBytes, bool asked = false)
    {
        string Peak(Residency residency) => Gib(Of(model, clip, residency).Peak.Bytes);
        string together = $"all weights together take {Peak(Residency.Resident)}", one = $"one model at a time {Peak(Residency.Staged)}",
            there = Gib(availableBytes), swapped = model.OnGpu ? $", one block at a time {Peak(Residency.Swapped)}" : "";
        return (asked ? "as it was asked for: " : "") + chosen switch
        {
            null => $"{together}, {one}{swapped}; {there} are there",
            Residency.Resident => $"{together} of {there}: they stay, and no stage waits for a file after the first video",
            Residency.Staged => $"{together} of {there}, {one}: each is read again for every video",
            _ => $"{together} of {there}, {one}{swapped}: the blocks stay in {Gib(Of(model, clip, Residency.Swapped).HostBytes)} of pinned "
                + "host memory, and each comes to the GPU while the one before it runs",
        };
    }

    private static string Gib(long bytes) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):0.0} GiB");

    // The memory of the CPU is that of the host: to swap gains nothing there.
    private static IEnumerable<MemoryPlan> Candidates(ModelFootprint model, ClipExtent clip) => Enum.GetValues<Residency>()
        .Where(residency => model?.OnGpu == true || residency != Residency.Swapped).Select(residency => Of(model!, clip, residency));

    /// <summary>Bytes on the device of a transformer whose blocks are swapped.</summary>
    /// <param name="model">What the model takes.</param>
    /// <param name="expertBytes">All of the transformer.</param>
    internal static long SwappingBytes(ModelFootprint model, long expertBytes) =>
        expertBytes - model.SwappedBytes + Math.Min(BlockSwap.UsualSlots, model.Transformer.NumLayers) * model.BlockBytes;
}
