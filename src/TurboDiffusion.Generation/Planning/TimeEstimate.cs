using System.Globalization;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;

namespace TurboDiffusion.Generation.Planning;

/// <summary>
/// Seconds that a generation is expected to take: in proportion to work, from times that were measured on the same card with the same
/// kernels. There is none for what nobody measured.
/// </summary>
/// <param name="Denoising">Seconds of all steps; where blocks are swapped, of bringing them to the GPU, if that takes longer.</param>
/// <param name="Decoding">Seconds of the decoder.</param>
/// <param name="Basis">What it is based on.</param>
public sealed record TimeEstimate(double Denoising, double Decoding, string Basis)
{
    // Pinned host memory to one Hopper card by PCIe 5.
    private const double BytesPerSecond = 55e9;

    // Measured on an H200; an H100 has the same arithmetic.
    private static readonly string[] MeasuredCards = ["H200", "H100"];

    // docs/performance.md: seconds of one denoising step, SageSLA with 10 % of the blocks, int8, 81 frames.
    private static readonly (ModelSpec Spec, VideoSize Size, double Seconds)[] Steps =
    [
        (ModelSpec.T2V1_3B, new(832, 480), 0.146), (ModelSpec.T2V1_3B, new(1280, 720), 0.413),
        (ModelSpec.T2V14B, new(832, 480), 0.999), (ModelSpec.T2V14B, new(1280, 720), 2.679),
    ];

    // The same page: the VAE of Wan 2.1 with its kernels, within the usual memory.
    private static readonly (VideoSize Size, int Frames, double Seconds) Decoder = (new(1280, 720), 81, 1.07);

    /// <summary>Estimates a generation.</summary>
    /// <param name="card">The card.</param>
    /// <param name="model">The model.</param>
    /// <param name="clip">What is generated.</param>
    /// <param name="calls">Calls of the transformer: steps, twice as many with guidance.</param>
    /// <param name="residency">Which weights stay.</param>
    /// <returns>Null where no time of this card, these kernels and a transformer of this width was measured.</returns>
    public static TimeEstimate? Of(Card card, ModelFootprint model, ClipExtent clip, int calls, Residency residency)
    {
        ArgumentNullException.ThrowIfNull(card);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(clip);
        if (!MeasuredCards.Any(name => card.Name.Contains(name, StringComparison.OrdinalIgnoreCase)) || !model.RunsFused
            || model.Vae.DecoderDim != VaeConfig.Wan21.DecoderDim)
            return null;
        double work = Work(model.Transformer, clip.Tokens(model.Vae), model.Attention.TopKRatio);
        var measured = Steps.Where(s => s.Spec.Transformer.Dim == model.Transformer.Dim && s.Spec.Transformer.NumLayers
                == model.Transformer.NumLayers)
            .Select(s => (s.Spec, s.Size, s.Seconds, Work: Work(s.Spec.Transformer, new ClipExtent(s.Size, 81).Tokens(model.Vae), 0.1)))
            .OrderBy(s => Math.Abs(Math.Log(s.Work / work))).Cast<(ModelSpec Spec, VideoSize Size, double Seconds, double Work)?>()
            .FirstOrDefault();
        if (measured is not { } nearest) return null;
        double pixels = (double)clip.Size.Area * clip.Frames, decoderPixels = (double)Decoder.Size.Area * Decoder.Frames;
        double compute = nearest.Seconds * work / nearest.Work,
            transfer = residency == Residency.Swapped ? model.SwappedBytes / BytesPerSecond : 0;
        return new TimeEstimate(calls * Math.Max(compute, transfer), Decoder.Seconds * pixels / decoderPixels,
            string.Create(CultureInfo.InvariantCulture,
                $"in proportion to work, from {nearest.Seconds} s a step of {nearest.Spec.Name} at {nearest.Size} and {Decoder.Seconds} s "
                    + $"of decoding at {Decoder.Size}, {Decoder.Frames} frames, measured on an {MeasuredCards[0]}; loading, text and "
                    + $"writing are not in it")
            + (residency != Residency.Swapped ? "" : string.Create(CultureInfo.InvariantCulture,
                $"; a step computes for {compute:0.00} s, its blocks take {transfer:0.00} s at {BytesPerSecond / 1e9:0} GB/s beside it")));
    }

    // Operations of a step: the linear layers, and sparse attention over the blocks that are kept.
    private static double Work(WanConfig config, long tokens, double topK) =>
        config.NumLayers * (2.0 * tokens * (8.0 * config.Dim * config.Dim + 2.0 * config.Dim * config.FfnDim)
            + 4.0 * topK * tokens * tokens * config.Dim);
}
