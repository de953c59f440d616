using System.CommandLine;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Cli.Commands;

/// <summary>The sizes that <c>new small</c> takes.</summary>
internal sealed class SmallModelOptions
{
    private const int LargestSize = 1 << 16;

    private readonly Option<int?> _dim = Opt.Number<int>("--dim", "N",
        "Width of the transformer, a multiple of the head size. Default: 128.");
    private readonly Option<int?> _headDim = Opt.Number<int>("--head-dim", "N", "Channels per head. Default: 64.");
    private readonly Option<int?> _layers = Opt.Number<int>("--layers", "N", "Transformer blocks. Default: 2.");
    private readonly Option<int?> _textDim = Opt.Number<int>("--text-dim", "N", "Width of the text encoder. Default: 64.");
    private readonly Option<int?> _vaeDim = Opt.Number<int>("--vae-dim", "N", "Width of the VAE's first level. Default: 8.");
    private readonly Option<string?> _like = Opt.Text("--like", "MODEL",
        $"The published model that it is a small one of: {Opt.PublishedModels}. Default: {ModelSpec.T2V1_3B.Name}.");

    /// <summary>The options in order.</summary>
    public Option[] All => [_dim, _headDim, _layers, _textDim, _vaeDim, _like];

    /// <summary>The first of them that is given; null for none.</summary>
    public Option? FirstGiven(ParseResult parsed) => All.FirstOrDefault(o => parsed.GetResult(o) is { Implicit: false });

    /// <summary>The model that they describe.</summary>
    /// <exception cref="InvalidRequestException">A size is out of range.</exception>
    public SmallModel Read(ParseResult parsed, WeightFormat weights, ulong seed)
    {
        int Size(Option<int?> option, int otherwise) => (parsed.GetValue(option) ?? otherwise) is > 0 and <= LargestSize and var size
            ? size : throw new InvalidRequestException(option.Name,
                $"{option.Name} is {parsed.GetValue(option)}; give 1 to {LargestSize}.");

        var standard = new SmallModel();
        return new SmallModel
        {
            Dim = Size(_dim, standard.Dim),
            HeadDim = Size(_headDim, standard.HeadDim),
            Layers = Size(_layers, standard.Layers),
            TextDim = Size(_textDim, standard.TextDim),
            VaeDim = Size(_vaeDim, standard.VaeDim),
            Like = parsed.GetValue(_like) is { } like ? ModelSpec.Find(like) : standard.Like,
            Weights = weights,
            Seed = seed,
        };
    }
}
