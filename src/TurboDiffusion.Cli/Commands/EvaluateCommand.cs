using System.CommandLine;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Cli.Plots;
using TurboDiffusion.Evaluation;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Cli.Commands;

/// <summary>
/// <c>evaluate</c>: how many held-out prompts of the shape world a model gets right, how real its clips are, and how fast.
/// </summary>
internal sealed class EvaluateCommand : CliCommand
{
    private readonly Option<string?> _plan = Opt.Text("--plan", "FILE",
        "Several variants and all settings as a JSON file (docs/quality.md). The options below take the place of its settings.", "-p");
    private readonly Option<string?> _model = Opt.Text("--model", "NAME|FOLDER", "A model of the library or the folder of one.", "-m");
    private readonly Option<string?> _vae = Opt.Text("--vae", "FILE", "The video autoencoder.");
    private readonly Option<string?> _textEncoder = Opt.Text("--text-encoder", "FILE", "The umT5 text encoder.");
    private readonly Option<string?> _tokenizer = Opt.Text("--tokenizer", "FILE", "The SentencePiece model of the text encoder.");

    private readonly Option<string?> _label = Opt.Text("--label", "TEXT", "Its name in the table. Default: model.");
    private readonly Option<string?> _transformer = Opt.Text("--transformer", "FILE", "The transformer, in place of the model's.");
    private readonly Option<SamplerKind?> _sampler = Opt.Choice<SamplerKind>("--sampler", "The sampler.");
    private readonly Option<int?> _steps = Opt.Number<int>("--steps", "N", "Denoising steps.");
    private readonly Option<GuidanceScale?> _guidance = Opt.Guidance("Classifier-free guidance; 1 is none.");
    private readonly Option<double?> _shift = Opt.Number<double>("--shift", "X", "unipc, euler: how far the steps lean to the noisy end.");
    private readonly Option<double?> _sigmaMax = Opt.Number<double>("--sigma-max", "X", "rcm: noise over signal at the first step.");
    private readonly Option<AttentionKind?> _attention = Opt.Choice<AttentionKind>("--attention", "The self-attention.");
    private readonly Option<double?> _topK = Opt.Number<double>("--topk", "X", "sla, sagesla: the share of key blocks that is kept.");
    private readonly Option<WeightFormat?> _weights =
        Opt.Choice<WeightFormat>("--weights", "The number format of the transformer's layers.");

    private readonly Option<WeightFormat?> _textWeights = Opt.TextEncoderWeights();

    private readonly Option<string[]> _only = new("--only")
    {
        HelpName = "LABEL", Description = "Of a plan's variants, only those of these names.", AllowMultipleArgumentsPerToken = true,
    };
    private readonly Option<int?> _prompts = Opt.Number<int>("--prompts", "N",
        "Held-out prompts with one object; 0 (and no two-object prompts) measures latencies alone. Default: 200.");
    private readonly Option<int?> _two = Opt.Number<int>("--two-object-prompts", "N",
        "Held-out prompts with two objects, which have a column of their own. Default: 50.");
    private readonly Option<int?> _reference = Opt.Number<int>("--reference-clips", "N",
        "Real clips that the Fréchet distance compares with. Default: 1000.");
    private readonly Option<int?> _latency = Opt.Number<int>("--latency-runs", "N",
        "Runs whose median is the latency of one clip; 0 measures none. Default: 3.");
    private readonly Option<int?> _batch = Opt.Number<int>("--batch", "N", "Clips that are generated at once. Default: 25.");
    private readonly Option<int?> _seed = Opt.Number<int>("--seed", "N", "Chooses prompts, noise and reference. Default: 1.");
    private readonly Option<string?> _device = Opt.Text("--device", "auto|cpu|cuda|cuda:N",
        "Default: auto, the first GPU or else the CPU.");
    private readonly Option<string?> _dtype = Opt.Text("--dtype", string.Join('|', Opt.Dtypes.Keys),
        "The type of float weights. Default: bfloat16 on a GPU; float32 on the CPU, the VAE aside where it multiplies bfloat16.");

    private readonly Option<string?> _output = Opt.Text("--output", "FILE",
        "Every number and every clip's outcome as JSON, written anew after each row.", "-o");
    private readonly Option<string?> _table = Opt.Text("--table", "FILE", "The table as Markdown, written anew after each row.");
    private readonly Option<string?> _chart = Opt.Text("--chart", "FILE",
        "What is right by the share of key blocks that sparse attention keeps, as a picture (.png).");
    private readonly Option<string[]> _from = new("--from")
    {
        HelpName = "FILE", AllowMultipleArgumentsPerToken = true,
        Description = "Measure nothing: tables and chart of the JSON files of earlier runs.",
    };
    private readonly Option<string?> _sheet = Opt.Text("--sheet", "FILE",
        "Clips with their prompts: frames in rows (.png), or moving (.gif, .mp4, .webm, a folder of PNG frames that ends in /).");
    private readonly Option<string?> _sheetOf = Opt.Text("--sheet-of", "LABEL",
        "Whose clips the sheet shows. Default: the last variant's.");
    private readonly Option<int?> _sheetClips = Opt.Number<int>("--sheet-clips", "N", "How many clips the sheet shows. Default: 12.");
    private readonly Option<string?> _failures = Opt.Text("--keep-failures", "FOLDER",
        "Puts the first clips of each row that are wrong into this folder, as PNG, with what was asked and what was read.");

    /// <summary>Creates the command.</summary>
    public EvaluateCommand(Terminal terminal)
        : base(terminal, "evaluate", "Measure a model of the shape world: what it gets right, how real it looks, how fast it is.")
    {
        Add("Plan", _plan, _only);
        Add("Model", _model, _vae, _textEncoder, _tokenizer);
        Add("One variant, without a plan's", _label, _transformer, _sampler, _steps, _guidance, _shift, _sigmaMax, _attention,
            _topK, _weights, _textWeights);
        Add("Measuring", _prompts, _two, _reference, _latency, _batch, _seed, _device, _dtype);
        Add("Output", _output, _table, _chart, _from, _sheet, _sheetOf, _sheetClips, _failures);
        Details = "Prompts are of combinations that training never shows. Shape, colour, background and motion are read from the pixels "
            + "of the clips. The table goes to the standard output. Real clips, as drawn and through the VAE, are its first rows. Files "
            + "of results are replaced.";
        Examples =
        [
            "evaluate --plan plan.json --output quality.json --table quality.md --sheet sheet.png --keep-failures failures",
            "evaluate --plan plan.json --only \"rCM 4 steps\" --prompts 0 --two-object-prompts 0 --device cpu",
            "evaluate --model shapes --steps 2 --prompts 40 --two-object-prompts 0 --latency-runs 0 --sheet sheet.gif",
            "evaluate --from quality.json --chart topk.png",
        ];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        string? chart = parsed.GetValue(_chart);
        if (chart is not null) ResultFile.Check(chart);
        if (parsed.GetValue(_from) is { Length: > 0 } former) return Tell(parsed, former, chart);
        EvaluationPlan plan = Plan(parsed);
        plan.Check();
        string sheetOf = parsed.GetValue(_sheetOf) ?? plan.Variants[^1].Label;
        if (plan.Variants.All(v => v.Label != sheetOf))
            throw new InvalidRequestException("sheet",
                $"There is no variant '{sheetOf}' for the sheet; the variants are "
                + $"{string.Join(", ", plan.Variants.Select(v => v.Label))}.");
        var output = new EvaluationOutput(parsed.GetValue(_output), parsed.GetValue(_table), parsed.GetValue(_sheet), sheetOf,
            parsed.GetValue(_sheetClips) ?? 12, parsed.GetValue(_failures), Terminal.Cancelled);
        output.Check();
        EvaluationResult result = ProgressDisplay.Run(Terminal,
            display => Evaluator.Run(plan, output.Add, output.Write, new RowProgress(display), Terminal.Cancelled));
        output.Finish();
        Terminal.Out.Write(result.ToMarkdown());
        Draw(result.Rows, chart);
        return ExitCode.Success;
    }

    private int Tell(ParseResult parsed, string[] former, string? chart)
    {
        Option[] taken = [_from, _table, _chart];
        if (Options.Except(taken).FirstOrDefault(o => parsed.GetResult(o) is { Implicit: false }) is { } extra)
            throw new InvalidRequestException("from", $"--from measures nothing; leave out {extra.Name}.");
        string? table = parsed.GetValue(_table);
        if (table is not null) ResultFile.Check(table);
        EvaluationResult[] results = [.. former.Select(file => ResultFile.Read(file, Name, EvaluationResult.FromJson))];
        string tables = string.Join('\n', results.Select(r => r.ToMarkdown()));
        if (table is not null) ResultFile.Write(table, tables);
        Terminal.Out.Write(tables);
        Draw(results.SelectMany(r => r.Rows), chart);
        return ExitCode.Success;
    }

    private void Draw(IEnumerable<EvaluationRow> rows, string? chart)
    {
        if (chart is not null && !SparsityChart.Draw(rows, chart))
            Terminal.Error.WriteLine($"warning: {chart} is not drawn: no scores of sparse attention (sla, sagesla) were measured.");
    }

    private EvaluationPlan Plan(ParseResult parsed)
    {
        EvaluationPlan plan = parsed.GetValue(_plan) is { } file ? EvaluationPlan.Load(file) : new EvaluationPlan();
        Option[] one = [_label, _transformer, _sampler, _steps, _guidance, _shift, _sigmaMax, _attention, _topK, _weights,
            _textWeights];
        if (plan.Variants.Count > 0 && one.FirstOrDefault(o => parsed.GetResult(o) is not null) is { } extra)
            throw new InvalidRequestException("plan", $"{extra.Name} describes one variant, and the plan has its own; leave either out.");
        IReadOnlyList<EvaluationVariant> variants = plan.Variants.Count > 0 ? plan.Variants :
        [
            new EvaluationVariant
            {
                Label = parsed.GetValue(_label) ?? "model",
                Transformer = parsed.GetValue(_transformer),
                Sampler = parsed.GetValue(_sampler),
                Steps = parsed.GetValue(_steps),
                Guidance = parsed.GetValue(_guidance),
                Shift = parsed.GetValue(_shift),
                SigmaMax = parsed.GetValue(_sigmaMax),
                Attention = parsed.GetValue(_attention),
                TopK = parsed.GetValue(_topK),
                Weights = parsed.GetValue(_weights),
                TextEncoderWeights = parsed.GetValue(_textWeights),
            },
        ];
        if (parsed.GetValue(_only) is { Length: > 0 } only)
        {
            if (only.FirstOrDefault(label => variants.All(v => v.Label != label)) is { } unknown)
                throw new InvalidRequestException("only",
                    $"The plan has no variant '{unknown}'; it has {string.Join(", ", variants.Select(v => v.Label))}.");
            variants = [.. variants.Where(v => only.Contains(v.Label))];
        }
        return plan with
        {
            Variants = variants,
            Model = parsed.GetValue(_model) ?? plan.Model,
            Vae = parsed.GetValue(_vae) ?? plan.Vae,
            TextEncoder = parsed.GetValue(_textEncoder) ?? plan.TextEncoder,
            Tokenizer = parsed.GetValue(_tokenizer) ?? plan.Tokenizer,
            Prompts = parsed.GetValue(_prompts) ?? plan.Prompts,
            TwoObjectPrompts = parsed.GetValue(_two) ?? plan.TwoObjectPrompts,
            ReferenceClips = parsed.GetValue(_reference) ?? plan.ReferenceClips,
            LatencyRuns = parsed.GetValue(_latency) ?? plan.LatencyRuns,
            Batch = parsed.GetValue(_batch) ?? plan.Batch,
            Seed = parsed.GetValue(_seed) ?? plan.Seed,
            Device = parsed.GetValue(_device) ?? plan.Device,
            Dtype = parsed.GetValue(_dtype) ?? plan.Dtype,
        };
    }

    /// <summary>The evaluation's progress in words.</summary>
    private sealed class RowProgress(IProgress<ProgressState> display) : IProgress<EvaluationProgress>
    {
        public void Report(EvaluationProgress value) => display.Report(new ProgressState(
            $"row {value.Row + 1} of {value.Rows}, {value.Label}, {value.Stage}", value.Done, value.Total, value.Unit, value.Remaining));
    }
}
