using System.CommandLine;
using TorchSharp;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Models;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>plan</c>: whether a video fits on a card, before anything is loaded.</summary>
internal sealed class PlanCommand : CliCommand
{
    private readonly Argument<string?> _model = new("MODEL")
    {
        Arity = ArgumentArity.ZeroOrOne,
        Description = $"A published model ({string.Join(", ", ModelSpec.All.Select(s => s.Name))}), which needs no files; or a model of "
            + "the library, or its folder. Default: the small model that comes with the program.",
    };

    private readonly Option<string?> _card = Opt.Text("--card", "NAME|NGB|cpu",
        "The card, such as \"RTX 4090\", or its memory, such as 12GB. Default: the first GPU of this machine, or else its CPU.", "-c");
    private readonly Option<string?> _size = Opt.Text("--size", "WxH", "Width and height in pixels. Default: the model's.", "-s");
    private readonly Option<int?> _frames = Opt.Number<int>("--frames", "N", "Frames, 4k + 1. Default: the model's.", "-f");
    private readonly Option<int?> _steps = Opt.Number<int>("--steps", "N", "Denoising steps. Default: the model's, distilled.");
    private readonly Option<bool> _image = Opt.Flag("--image", "An image is the first frame.");
    private readonly Option<AttentionKind?> _attention =
        Opt.Choice<AttentionKind>("--attention", "The self-attention. Default: sagesla for a published model, else the checkpoint's.");
    private readonly Option<WeightFormat?> _weights =
        Opt.Choice<WeightFormat>("--weights", "The number format. Default: int8 for a published model, else the checkpoint's.");
    private readonly Option<WeightFormat?> _textWeights = Opt.TextEncoderWeights();
    private readonly Option<double?> _topK = Opt.Number<double>("--topk", "X",
        $"sla, sagesla: the share of key blocks that is kept. Default: {AttentionOptions.DefaultTopKRatio}.");
    private readonly Option<NamedVae?> _vae = Opt.Vae("tiny: the tiny autoencoder decodes.");
    private readonly Option<Residency?> _residency = Opt.Residency();
    private readonly Option<bool> _json = Opt.Flag("--json", "Print the plan as JSON.");

    /// <summary>Creates the command.</summary>
    public PlanCommand(Terminal terminal)
        : base(terminal, "plan", "Say whether a video fits on a card, stage by stage, before anything is loaded.")
    {
        Arguments.Add(_model);
        Add("Video", _size, _frames, _steps, _image);
        Add("Running", _card, _attention, _weights, _textWeights, _topK, _vae, _residency);
        Add("Output", _json);
        Details = "Weights are counted, working memory is estimated by the largest tensors of each stage. Times are told only for cards on "
            + "which they were measured. Ends with 1 where the video does not fit, and names the nearest ones that do.";
        Examples =
        [
            "plan wan2.1-t2v-14b --card \"RTX 4090\" --size 1280x720",
            "plan wan2.2-t2v-a14b --card 12GB --size 832x480 --vae tiny",
            "plan my-model",
        ];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        Card card = parsed.GetValue(_card) switch
        {
            null => Card.OfThisMachine(),
            "cpu" => Card.Cpu(),
            { } name => Card.Find(name),
        };
        (ModelSpec spec, IReadOnlyList<(string?, ModelFootprint)> forms) = Subject(parsed, card);
        ModelFootprint model = forms[0].Item2;
        int frames = parsed.GetValue(_frames) ?? spec.Frames;
        model.Vae.CheckFrames(frames);
        var clip = new ClipExtent(parsed.GetValue(_size) is { } size ? VideoSize.Parse(size) : spec.Size, frames,
            parsed.GetValue(_image) || spec.Transformer.IsImageToVideo);
        int steps = parsed.GetValue(_steps) ?? spec.Sampling.Of(spec.Sampling.Sampler).Steps;
        if (steps < 1) throw new InvalidRequestException("steps", $"The number of steps is {steps}; give at least 1.");

        Residency? asked = parsed.GetValue(_residency);
        MemoryPlan? fitting = asked is not { } only ? MemoryPlan.Choose(model, clip, card.AvailableBytes)
            : MemoryPlan.Of(model, clip, only) is var plan && plan.Peak.Bytes <= card.AvailableBytes ? plan : null;
        MemoryPlan shown = fitting ?? (asked is { } residency ? MemoryPlan.Of(model, clip, residency) : MemoryPlan.Least(model, clip));
        var report = new PlanReport(card, model, clip, steps, shown, fitting is not null, asked is not null,
            TimeEstimate.Of(card, model, clip, steps * (spec.Sampling.GuidanceScale.IsNone ? 1 : 2), shown.Residency));
        if (parsed.GetValue(_json)) Terminal.Out.WriteLine(report.Json());
        else report.WriteTo(Terminal.Out);
        if (fitting is not null) return ExitCode.Success;
        throw new InsufficientMemoryException($"A video of {clip} on {model.Name} ({card.Name})", shown.Peak.Bytes, card.AvailableBytes,
            NearestRequest.Remedy(NearestRequest.Find(forms, clip, card.AvailableBytes)));
    }

    // What is planned, and the same in int8 where it is not yet.
    private (ModelSpec Spec, IReadOnlyList<(string?, ModelFootprint)> Forms) Subject(ParseResult parsed, Card card)
    {
        string? name = parsed.GetValue(_model);
        (AttentionKind? attention, WeightFormat? weights) = (parsed.GetValue(_attention), parsed.GetValue(_weights));
        WeightFormat? textWeights = parsed.GetValue(_textWeights);
        double? topK = parsed.GetValue(_topK);
        bool tiny = parsed.GetValue(_vae) == NamedVae.Tiny, inFrames = card.IsHopper && !tiny;
        if (ModelSpec.All.FirstOrDefault(s => s.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) is { } spec)
        {
            spec = spec.Distilled();
            var options = AttentionOptions.Of(attention ?? AttentionKind.SageSla, topK ?? spec.TopKRatio);
            ModelFootprint Form(WeightFormat format) => ModelFootprint.Of(spec, options, format, card.IsGpu, tiny,
                textWeights ?? WeightFormat.Float) with { DecodesInFrames = inFrames };
            return (spec, weights == WeightFormat.Float
                ? [(null, Form(WeightFormat.Float)), ("int8 weights", Form(WeightFormat.Int8))]
                : [(null, Form(WeightFormat.Int8))]);
        }
        var settings = new VideoModelOptions
        {
            // Headers alone are read, on whatever machine this is.
            Device = "cpu",
            Dtype = card.IsGpu ? torch.ScalarType.BFloat16 : null,
            Attention = attention,
            Weights = weights,
            TextEncoderWeights = textWeights,
            TopKRatio = topK,
            TinyVae = tiny,
        };
        ModelFiles files = ModelLibrary.Find(name);
        using VideoModel model = VideoModel.Open(files, settings);
        return (model.Spec, [.. model.Footprints(card.IsGpu)
            .Select(form => (form.Change, form.Model with { DecodesInFrames = inFrames }))]);
    }
}
