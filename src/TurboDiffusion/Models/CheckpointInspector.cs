using System.Runtime.InteropServices;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.TinyVae;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Models;

/// <summary>
/// Tells from a checkpoint's names, shapes and types which model it is, in which layout and variant, and whether it is
/// complete. Reads no data and never looks at the file's name.
/// </summary>
public static class CheckpointInspector
{
    /// <summary>The name of the VAE's preset.</summary>
    public const string VaePreset = "Wan2.1-VAE";

    /// <summary>The name of the preset of the VAE of Wan 2.2 TI2V-5B.</summary>
    public const string Vae22Preset = "Wan2.2-VAE";

    /// <summary>The name of the text encoder's preset.</summary>
    public const string TextEncoderPreset = "umT5-xxl";

    /// <summary>The name of the image encoder's preset.</summary>
    public const string ImageEncoderPreset = "CLIP-ViT-H-14";

    /// <summary>Looks at a checkpoint.</summary>
    /// <param name="checkpoint">A checkpoint with the file's own names; stays the caller's.</param>
    /// <returns>The report; what is wrong with the checkpoint is in its <see cref="CheckpointReport.Problems"/>.</returns>
    public static CheckpointReport Inspect(ICheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        var report = new CheckpointReport
        {
            Path = checkpoint.Path,
            TensorCount = checkpoint.Tensors.Count,
            Bytes = checkpoint.Tensors.Values.Sum(t => t.StoredByteCount),
            Dtypes = checkpoint.Tensors.Values.GroupBy(t => t.Encoding ?? t.Dtype.ToString()).ToDictionary(g => g.Key, g => g.Count()),
        };
        try
        {
            if (LoraFile.IsLora(checkpoint)) return Lora(report, checkpoint);
            CheckpointLayout layout = CheckpointLayout.Detect(checkpoint);
            report = report with { Layout = layout };
            ICheckpoint view = layout.Apply(checkpoint);
            return layout.Kind switch
            {
                ModelKind.Transformer => Transformer(report, view),
                ModelKind.Vae => Vae(report, view),
                ModelKind.TinyVae => TinyVae(report, view),
                ModelKind.TextEncoder => TextEncoder(report, view),
                ModelKind.ImageEncoder => ImageEncoder(report, view),
                _ => throw new InvalidOperationException($"There is no model of the kind {layout.Kind}."),
            };
        }
        catch (CheckpointException e)
        {
            return report with { Problems = [e.Reason] };
        }
        catch (Exception e) when (e is OverflowException or ExternalException)
        {
            return report with { Problems = ["has sizes that no model can have"] };
        }
    }

    private static CheckpointReport Transformer(CheckpointReport report, ICheckpoint view)
    {
        WanConfig config = WanCheckpoint.ReadConfig(view);
        WanVariant variant = WanVariant.Of(view);
        IReadOnlyList<ModelSpec> candidates = ModelSpec.Candidates(config);
        AttentionKind attention = variant.HasProjection ? AttentionKind.Sla : AttentionKind.Dense;
        using var model = new WanModel(config, AttentionOptions.Of(attention), variant.Weights, Placement.Meta);
        return report with
        {
            Preset = candidates.Count == 0 ? ModelSpec.Custom : candidates[0].Name,
            Variant = variant,
            Transformer = config,
            Note = Ambiguity(candidates),
            Problems = StrictLoader.Differences(model, view),
        };
    }

    private static CheckpointReport Lora(CheckpointReport report, ICheckpoint file)
    {
        // Not disposed: the file is the caller's.
        LoraFile lora = LoraFile.Of(file);
        var fits = new List<LoraFit>();
        foreach (ModelSpec spec in ModelSpec.All)
        {
            using var model = new WanModel(spec.Transformer, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
            Dictionary<string, TensorInfo> tensors = model.state_dict()
                .ToDictionary(t => t.Key, t => new TensorInfo(t.Key, t.Value.dtype, t.Value.shape));
            LoraMatch match = LoraMatch.Of(lora.Layers, tensors);
            if (match.Mismatched.Count == 0 && match.Changes.Count > 0) fits.Add(new LoraFit(spec.Name, match.Ignored.Count));
        }
        return report with
        {
            Lora = new LoraReport(lora.Ranks, lora.Layers.Count, lora.IsDistillation, [.. fits.OrderBy(f => f.IgnoredLayers)])
            {
                NamesBothExperts = lora.NamesBothExperts,
            },
        };
    }

    private static string? Ambiguity(IReadOnlyList<ModelSpec> candidates)
    {
        if (candidates is [] or [{ Experts: 1 }]) return null;
        string[] names = [.. candidates.Select(c => c.Experts == 1 ? c.Name : $"one of the two experts of {c.Name}")];
        return $"It is {string.Join(" or ", names)}; shapes do not tell which.";
    }

    private static CheckpointReport Vae(CheckpointReport report, ICheckpoint view)
    {
        VaeConfig config = VaeConfig.FromCheckpoint(view);
        using var model = new WanVae(config, Placement.Meta);
        return report with
        {
            Preset = config.Equals(VaeConfig.Wan21) ? VaePreset : config.Equals(VaeConfig.Wan22) ? Vae22Preset : ModelSpec.Custom,
            Vae = config,
            Problems = StrictLoader.Differences(model, view),
        };
    }

    private static CheckpointReport TinyVae(CheckpointReport report, ICheckpoint view)
    {
        TinyVaeConfig config = TinyVaeConfig.FromCheckpoint(view);
        using var model = new TinyVideoAutoencoder(config, Placement.Meta);
        return report with
        {
            Preset = config == TinyVaeConfig.Wan21 ? "taew2_1" : config == TinyVaeConfig.Wan22 ? "taew2_2" : ModelSpec.Custom,
            TinyVae = config,
            Problems = StrictLoader.Differences(model, TinyVideoAutoencoder.Trimmed(view, config)),
        };
    }

    private static CheckpointReport TextEncoder(CheckpointReport report, ICheckpoint view)
    {
        UMT5Config config = UMT5Config.FromCheckpoint(view);
        WeightFormat weights = UMT5Checkpoint.Int8Layers.FormatOf(view);
        using var model = new UMT5Encoder(config, Placement.Meta, weights);
        return report with
        {
            Preset = config == UMT5Config.Xxl ? TextEncoderPreset : ModelSpec.Custom,
            TextEncoder = config,
            TextEncoderWeights = weights,
            Problems = StrictLoader.Differences(model, view),
        };
    }

    private static CheckpointReport ImageEncoder(CheckpointReport report, ICheckpoint view)
    {
        ClipConfig config = ClipConfig.FromCheckpoint(view);
        using var model = new ClipVisionEncoder(config, Placement.Meta);
        return report with
        {
            Preset = config == ClipConfig.ViTH14 ? ImageEncoderPreset : ModelSpec.Custom,
            ImageEncoder = config,
            Problems = StrictLoader.Differences(model, view),
        };
    }
}
