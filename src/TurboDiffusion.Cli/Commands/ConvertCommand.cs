using System.CommandLine;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>convert</c>: any checkpoint that can be read becomes a safetensors file of a known layout.</summary>
internal sealed class ConvertCommand : WritingCommand
{
    private readonly Argument<string> _input =
        new("IN") { Description = "A transformer, VAE or text encoder in any format and layout (docs/checkpoints.md)." };
    private readonly Option<torch.ScalarType?> _dtype =
        Opt.Choice("--dtype", "The type of float tensors; the scales of int8 weights stay float32. Default: as they are.", Opt.Dtypes);
    private readonly Option<NameLayout?> _layout = Opt.Choice<NameLayout>("--layout",
        "The names to write. Default: official, those of the TurboDiffusion files.");

    /// <summary>Creates the command.</summary>
    public ConvertCommand(Terminal terminal)
        : base(terminal, "convert", "Rewrite a checkpoint as safetensors, with the official names or others.")
    {
        Arguments.Add(_input);
        Arguments.Add(Output);
        AddOptions(_dtype, _layout);
        Examples = ["convert TurboWan2.1-T2V-1.3B-480P.pth turbo.safetensors --dtype bfloat16",
            "convert Wan2.1_VAE.pth vae.safetensors --layout diffusers"];
    }

    // Named as on the command line.
    private enum NameLayout
    {
        Official,
        Original,
        Diffusers,
        ComfyUI,
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        ICheckpoint file = Checkpoint.Open(parsed.GetRequiredValue(_input));
        ICheckpoint? view = null;
        try
        {
            CheckpointLayout layout = CheckpointLayout.Detect(file);
            view = layout.Apply(file);
            NameLayout wanted = parsed.GetValue(_layout) ?? NameLayout.Official;
            if (Names(layout, wanted) is { } names)
            {
                CheckNames(view, layout.Kind, wanted);
                view = names.Inverse.Apply(view);
            }
            return Write(parsed, Sources(view, parsed.GetValue(_dtype)), view.Metadata);
        }
        finally
        {
            (view ?? file).Dispose();
        }
    }

    // Only the official names have a place for what sparse-linear attention adds, and for a text encoder in int8.
    private static void CheckNames(ICheckpoint view, ModelKind kind, NameLayout layout)
    {
        if (kind == ModelKind.Transformer && WanVariant.Of(view).HasProjection)
            throw new InvalidRequestException("layout",
                $"{view.Path} is made for sparse-linear attention, whose projection (proj_l) has no name in the "
                    + $"{layout.ToString().ToLowerInvariant()} layout: "
                + "a program that reads that layout could not run it. Leave --layout out for the official one, or convert the original "
                    + "model it was tuned from.");
        if (kind == ModelKind.TextEncoder && UMT5Checkpoint.Int8Layers.FormatOf(view) == WeightFormat.Int8)
            throw new InvalidRequestException("layout",
                $"{view.Path} has int8 weights, for which the {layout.ToString().ToLowerInvariant()} layout has no names. Leave --layout "
                    + "out for the official one, or convert the float file it was made from.");
    }

    private static IReadOnlyList<TensorSource> Sources(ICheckpoint view, torch.ScalarType? dtype) =>
        [.. TensorSource.From(view).Zip(TensorSource.From(view, dtype), (kept, converted) => IsScale(view, kept.Info.Name)
            ? kept
            : converted)];

    private static bool IsScale(ICheckpoint view, string name) =>
        name.EndsWith(".scale", StringComparison.Ordinal) && view.Tensors.ContainsKey(name[..^"scale".Length] + "int8_weight");

    private static KeyRuleSet? Names(CheckpointLayout found, NameLayout layout) => (found.Kind, layout) switch
    {
        (_, NameLayout.Official) or (not ModelKind.Transformer, NameLayout.Original) => null,
        (ModelKind.Transformer, NameLayout.Original) => WanLayouts.Original,
        (ModelKind.Transformer, NameLayout.Diffusers) => WanLayouts.Diffusers,
        (ModelKind.Transformer, NameLayout.ComfyUI) => WanLayouts.ComfyUI,
        (ModelKind.Vae, NameLayout.Diffusers) => found.Rules == VaeLayouts.Wan22 || found.Rules == VaeLayouts.Wan22Diffusers
            ? VaeLayouts.Wan22Diffusers : VaeLayouts.Diffusers,
        (ModelKind.TextEncoder, NameLayout.Diffusers) => UMT5Layouts.Transformers,
        _ => throw new InvalidRequestException("layout",
            $"There is no {layout} layout for this part of a model; choose official or diffusers."),
    };
}
