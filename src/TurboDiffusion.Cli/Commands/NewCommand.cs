using System.CommandLine;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.TinyVae;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>new</c>: checkpoints of random weights, for trials, benchmarks and the start of a training.</summary>
internal sealed class NewCommand : WritingCommand
{
    private const string Small = "small";

    private readonly Argument<string> _model = new("MODEL")
    {
        Description =
            $"{Small}, or a published size: {string.Join(", ", ModelSpec.All.Select(p => p.Name))} (with two experts, one of them).",
    };
    private readonly Option<ModelKind?> _part = Opt.Choice("--part",
        "Which part to write. Default: the transformer; of small, a whole model as a folder.",
        new OrderedDictionary<string, ModelKind>
        {
            ["transformer"] = ModelKind.Transformer, ["vae"] = ModelKind.Vae, ["tiny-vae"] = ModelKind.TinyVae,
            ["text-encoder"] = ModelKind.TextEncoder, ["image-encoder"] = ModelKind.ImageEncoder,
        });

    private readonly Option<(AttentionKind Attention, WeightFormat Weights)?> _variant =
        Opt.Choice("--variant", "What the transformer holds. Default: sla.",
        new OrderedDictionary<string, (AttentionKind, WeightFormat)>
        {
            ["original"] = (AttentionKind.Dense, WeightFormat.Float),
            ["sla"] = (AttentionKind.Sla, WeightFormat.Float),
            ["sla-quant"] = (AttentionKind.Sla, WeightFormat.Int8),
        });

    private readonly Option<torch.ScalarType?> _dtype = Opt.Choice("--dtype", "The type of float tensors. Default: float32.", Opt.Dtypes);
    private readonly Option<ulong?> _seed = Opt.Number<ulong>("--seed", "N", "The seed of the weights. Default: 0.");
    private readonly SmallModelOptions _sizes = new();

    /// <summary>Creates the command.</summary>
    public NewCommand(Terminal terminal)
        : base(terminal, "new", "Make a model of random weights, for trials and benchmarks.")
    {
        Arguments.Add(_model);
        Arguments.Add(Output);
        AddOptions(_part, _variant, _dtype, _seed);
        Add("Sizes of small", _sizes.All);
        Output.Description = "The .safetensors file to write; for a whole small model, a folder.";
        Examples =
        [
            "new small trial && turbodiffusion generate \"a cat\" --model trial",
            "new small trial --like wan2.1-i2v-14b-480p && turbodiffusion generate \"a cat\" --model trial --image cat.jpg",
            "new Wan2.1-T2V-1.3B random.safetensors --variant sla-quant --dtype bfloat16",
            "new small tiny.safetensors --part transformer --dim 256 --layers 4 --variant original",
        ];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        string name = parsed.GetRequiredValue(_model);
        bool small = name.Equals(Small, StringComparison.OrdinalIgnoreCase);
        ModelKind? part = parsed.GetValue(_part);
        (AttentionKind attention, WeightFormat weights) = parsed.GetValue(_variant) ?? (AttentionKind.Sla, WeightFormat.Float);
        ulong seed = parsed.GetValue(_seed) ?? 0;
        if (!small && _sizes.FirstGiven(parsed) is { } size)
            throw new InvalidRequestException(size.Name, $"{size.Name} is a size of the small model; {name} has its own.");
        if (!small) ModelSpec.Find(name);
        if (part is not (null or ModelKind.Transformer) && parsed.GetValue(_variant) is not null)
            throw new InvalidRequestException("variant", "--variant is a choice of the transformer; leave it out.");
        SmallModel sizes = _sizes.Read(parsed, weights, seed);
        if (small && part is null) return WriteFolder(parsed, sizes, attention);

        // Names and shapes without memory; the values are made one tensor at a time.
        WanConfig config = small ? sizes.TransformerConfig : ModelSpec.Find(name).Transformer;
        using torch.nn.Module module = (part, small) switch
        {
            (ModelKind.Vae, _) => new WanVae(small ? sizes.VaeConfig : ModelSpec.Find(name).Vae, Placement.Meta),
            (ModelKind.TinyVae, _) => new TinyVideoAutoencoder(
                small ? sizes.TinyVaeConfig : TinyVaeConfig.Of(ModelSpec.Find(name).Vae), Placement.Meta),
            (ModelKind.TextEncoder, false) => new UMT5Encoder(UMT5Config.Xxl, Placement.Meta),
            (ModelKind.ImageEncoder, false) => new ClipVisionEncoder(ModelSpec.Find(name).ImageEncoder
                ?? throw new InvalidRequestException("part",
                    $"{name} has no image encoder; leave --part out, or name a model that has one."), Placement.Meta),
            (ModelKind.ImageEncoder, true) => throw new InvalidRequestException("part",
                "The small image encoder comes with a whole small model: leave --part out and take it from the folder."),
            (ModelKind.TextEncoder, true) => throw new InvalidRequestException("part",
                "The small text encoder comes with its tokenizer: leave --part out and take it from the folder."),
            _ => new WanModel(config, AttentionOptions.Of(attention), WeightFormat.Float, Placement.Meta),
        };
        Dictionary<string, string> metadata = module switch
        {
            WanModel => WanCheckpoint.Metadata(config),
            ClipVisionEncoder encoder => encoder.Config.Metadata(),
            _ => [],
        };
        ICheckpoint random = new RandomCheckpoint(module, seed, parsed.GetValue(_dtype) ?? torch.ScalarType.Float32, metadata);
        if (module is WanModel) random = WanCheckpoint.Int8Layers.As(random, weights);
        return Write(parsed, TensorSource.From(random), metadata);
    }

    private int WriteFolder(ParseResult parsed, SmallModel model, AttentionKind attention)
    {
        if (attention == AttentionKind.Dense || parsed.GetValue(_dtype) is not null)
            throw new InvalidRequestException("variant",
                "A whole small model is made as sla or sla-quant, in float32; other kinds of it one --part at a time.");
        string folder = Path.GetFullPath(parsed.GetRequiredValue(Output));
        if (File.Exists(folder)) throw new InvalidRequestException("OUT",
            $"The output {folder} is a file; a whole model is a folder. For one file, give --part.");
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any() && !Overwrites(parsed))
            throw new InvalidRequestException("OUT", $"The folder {folder} is not empty; choose another name, or give --overwrite.");
        model.Write(folder, Terminal.Cancelled);
        Terminal.Out.WriteLine($"{folder}: a small model of random weights; turbodiffusion generate \"a prompt\" --model "
            + $"{parsed.GetRequiredValue(Output)}");
        return ExitCode.Success;
    }
}
