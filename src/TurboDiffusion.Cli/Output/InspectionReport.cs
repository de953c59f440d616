using System.Globalization;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Cli.Output;

/// <summary>What a checkpoint is.</summary>
internal static class InspectionReport
{
    /// <summary>In one line, such as <c>Wan2.1-T2V-1.3B transformer, sla-quant, 1.5 GiB</c>.</summary>
    public static string Line(CheckpointReport report) =>
        string.Join(", ", new[] { Model(report), report.Variant?.Name ?? Int8(report), Format.Bytes(report.Bytes) }.OfType<string>());

    /// <summary>For people.</summary>
    public static void Write(TextWriter output, CheckpointReport report, ICheckpoint? tensorsOf)
    {
        output.WriteLine(report.Path);
        var rows = new List<string[]> { new[] { "model", Model(report) } };
        if ((report.Variant?.Name ?? Int8(report)) is { } variant) rows.Add(["variant", variant]);
        if (report.Layout is { } layout) rows.Add(["layout", layout.ToString()]);
        rows.Add(["tensors", string.Create(CultureInfo.InvariantCulture, $"{report.TensorCount}, {Format.Bytes(report.Bytes)}")]);
        rows.Add(["dtypes",
            string.Join(", ", report.Dtypes.Select(d => string.Create(CultureInfo.InvariantCulture, $"{d.Key} ({d.Value} tensors)")))]);
        rows.AddRange(Dimensions(report).Select(d => new[] { d.Name, d.Value.ToString()! }));
        if (report.Note is { } note) rows.Add(["note", note]);
        rows.AddRange(report.Problems.Select(p => new[] { "problem", p }));
        TextTable.Write(output, rows, indent: 2);
        if (tensorsOf is null) return;
        output.WriteLine("  tensors as the file names them:");
        TextTable.Write(output, [.. tensorsOf.Tensors.Values.Select(t => new[] { t.Name, t.ToString() })], indent: 4);
    }

    /// <summary>For programs.</summary>
    public static object Json(CheckpointReport report, ICheckpoint? tensorsOf) => new
    {
        report.Path,
        Kind = report.Layout?.Kind,
        report.Preset,
        Variant = report.Variant?.Name ?? Int8(report),
        Layout = report.Layout?.ToString(),
        report.TensorCount,
        report.Bytes,
        Dtypes = report.Dtypes,
        Dimensions = Dimensions(report).ToDictionary(d => d.Name, d => d.Value),
        report.Lora,
        report.Note,
        report.Problems,
        Tensors = tensorsOf?.Tensors.Values.Select(t => new { t.Name, Dtype = t.Dtype.ToString(), t.Shape }),
    };

    private static string Model(CheckpointReport report) => report switch
    {
        { Lora: { } lora } => $"{(lora.IsDistillation ? "step-distillation " : "")}LoRA{(lora.NamesBothExperts ? " of two experts" : "")}",
        { Layout: { } layout } => $"{report.Preset ?? "incomplete"} {Name(layout.Kind)}",
        _ => "unknown",
    };

    // Of a text encoder, whose other form has no name.
    private static string? Int8(CheckpointReport report) => report.TextEncoderWeights == WeightFormat.Int8 ? "int8" : null;

    /// <summary>A part of a model in words.</summary>
    public static string Name(ModelKind kind) => kind switch
    {
        ModelKind.Transformer => "transformer",
        ModelKind.Vae => "VAE",
        ModelKind.TinyVae => "tiny VAE",
        ModelKind.TextEncoder => "text encoder",
        ModelKind.ImageEncoder => "image encoder",
        _ => "",
    };

    private static IEnumerable<(string Name, object Value)> Dimensions(CheckpointReport report)
    {
        if (report.Transformer is WanConfig t)
            return [("width", t.Dim), ("feed-forward width", t.FfnDim), ("heads", t.NumHeads), ("layers", t.NumLayers),
                ("input channels", t.InDim), ("output channels", t.OutDim), ("text width", t.TextDim),
                .. t.HasImageBranch ? [("image width", t.ImageDim)] : Array.Empty<(string, object)>()];
        if (report.Lora is { } lora)
            return [("layers changed", lora.Layers), ("ranks", lora.Ranks.Count > 0 ? string.Join(", ", lora.Ranks) : "none"),
                ("fits", lora.Fits.Count > 0 ? string.Join(", ", lora.Fits.Select(f => f.IgnoredLayers > 0
                    ? $"{f.Model} ({f.IgnoredLayers} layers ignored)"
                    : f.Model)) : "no published model")];
        if (report.Vae is VaeConfig v) return [("width", v.Dim), ("latent channels", v.ZDim), ("levels", v.DimMult.Count)];
        if (report.TinyVae is { } tiny)
            return [("decoder widths", tiny.Widths.ToString()), ("latent channels", tiny.LatentChannels), ("patch", tiny.PatchSize)];
        if (report.TextEncoder is UMT5Config e)
            return [("width", e.Dim), ("feed-forward width", e.DimFfn), ("heads", e.NumHeads), ("layers", e.NumLayers),
                ("vocabulary", e.Vocab)];
        if (report.ImageEncoder is { } i)
            return [("width", i.Dim), ("feed-forward width", i.HiddenDim), ("heads", i.NumHeads), ("layers", i.NumLayers),
                ("image size", i.ImageSize), ("patch", i.PatchSize)];
        return [];
    }
}
