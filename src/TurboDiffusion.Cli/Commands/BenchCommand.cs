using System.CommandLine;
using System.Globalization;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Cli.Plots;
using TurboDiffusion.Evaluation.Benchmark;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Models;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>bench</c>: how long a denoising step takes on this machine, and where the speed comes from.</summary>
internal sealed class BenchCommand : CliCommand
{
    private const string Script = "tests/TurboDiffusion.Benchmarks/baseline.py";

    private readonly Option<string?> _preset = Opt.Text("--preset", "MODEL",
        $"The model's dimensions: {Opt.PublishedModels}. Default: {ModelSpec.T2V1_3B.Name}; on the CPU, a small model.", "-p");
    private readonly Option<string?> _size = Opt.Text("--size", "WIDTHxHEIGHT",
        $"The video's size. Default: {BenchmarkPlan.GpuSize}; on the CPU, {BenchmarkPlan.CpuSize}.");
    private readonly Option<int?> _frames = Opt.Number<int>("--frames", "N",
        $"The video's frames, 4k + 1. Default: the model's; on the CPU, {BenchmarkPlan.CpuFrames}.");
    private readonly Option<double?> _topK = Opt.Number<double>("--topk", "X",
        $"sla, sagesla: the share of key blocks that is kept. Default: the model's, {AttentionOptions.DefaultTopKRatio} of the published.");
    private readonly Option<int?> _lora = Opt.Number<int>("--lora", "RANK",
        "Merge a LoRA of this rank into the random weights, of every linear layer of the blocks.");
    private readonly Option<AttentionKind?> _attention = Opt.Choice<AttentionKind>("--attention", "Only variants of this self-attention.");
    private readonly Option<WeightFormat?> _weights = Opt.Choice<WeightFormat>("--weights", "Only variants of this number format.");
    private readonly Option<KernelUse?> _kernels = Opt.Choice<KernelUse>("--kernels",
        "Only variants in which no operator, those of products, or all run as CUDA kernels.");
    private readonly Option<bool> _swapped = Opt.Flag("--swapped",
        "Measure every variant a second time, with its blocks in host memory, from where they come to the GPU one after the other.");
    private readonly Option<string?> _card = Opt.Text("--card", "NAME|NGB",
        "Take away what the GPU has more memory than this card, such as \"RTX 4090\" or 12GB. Default: nothing.");
    private readonly Option<string?> _device = Opt.Text("--device", "auto|cuda|cuda:N|cpu",
        "Default: auto, the first GPU; without one, give cpu.");
    private readonly Option<double?> _patience = Opt.Number<double>("--patience", "S",
        "Seconds that a variant is repeated: the median of 1 to 11 steps. Default: 10.");
    private readonly Option<double?> _seconds = Opt.Number<double>("--seconds", "S",
        "After this time no further row is begun. Default: no end.");
    private readonly Option<ulong?> _seed = Opt.Number<ulong>("--seed", "N", "The seed of weights and noise. Default: 0.");
    private readonly Option<bool> _profile = Opt.Flag("--profile",
        "Time the parts of the step too: every module, and what lies between them.");
    private readonly Option<bool> _compare = Opt.Flag("--compare",
        "Denoise in 4 steps with and without kernels, from the same weights and noise, and compare the latents, and each block alone.");
    private readonly Option<bool> _baseline = Opt.Flag("--baseline", "Measure plain PyTorch too, with the machine's Python.");
    private readonly Option<string?> _script = Opt.Text("--baseline-script", "FILE", $"Its script. Default: {Script}.");
    private readonly Option<string?> _python = Opt.Text("--python", "PROGRAM", "Its Python, one with PyTorch. Default: python3.");
    private readonly Option<string?> _json = Opt.Text("--json", "FILE", "Every number as JSON, written anew after each row.");
    private readonly Option<string?> _table = Opt.Text("--table", "FILE", "The tables as Markdown, written anew after each row.");

    private readonly Option<string?> _chart = Opt.Text("--chart", "FILE",
        "Where the speed comes from, ingredient by ingredient, as a PNG picture, drawn at the end.");
    private readonly Option<string?> _from = Opt.Text("--from", "FILE",
        "Measure nothing: tables and chart of the JSON file of an earlier run.");

    private readonly Option<bool> _endToEnd = Opt.Flag("--end-to-end",
        "Measure whole generations of a model of files instead: loading, text, denoising, decoding, with and without a writer.");
    private readonly Option<string?> _model = Opt.Text("--model", "NAME|FOLDER",
        "A model of the library or of a folder, with its own weights. Default: random ones; of --end-to-end, the small model that comes "
            + "with the program.", "-m");
    private readonly Option<NamedVae?> _vae = Opt.Vae("--end-to-end: the model's tiny autoencoder decodes.");
    private readonly Option<WeightFormat?> _textWeights = Opt.TextEncoderWeights();
    private readonly Option<Residency?> _residency = Opt.Residency();
    private readonly Option<int?> _repeats = Opt.Number<int>("--repeats", "N",
        "--end-to-end: warm generations to host memory, to PNG frames and to an MP4; the median counts. Default: 3.");

    /// <summary>Creates the command.</summary>
    public BenchCommand(Terminal terminal)
        : base(terminal, "bench", "Measure a denoising step: attention, weights and kernels side by side.")
    {
        Add("Model and video", _preset, _model, _size, _frames, _topK, _lora);
        Add("Variants", _attention, _weights, _kernels, _swapped);
        Add("Measuring", _device, _card, _patience, _seconds, _seed, _profile, _compare);
        Add("Whole generations", _endToEnd, _vae, _textWeights, _residency, _repeats);
        Add("Plain PyTorch", _baseline, _script, _python);
        Add("Output", _json, _table, _chart, _from);
        Details = "Without --model the weights are random and made on the device: no file is needed. Times are medians, on a GPU by CUDA "
            + "events, of one step of one video. Kernels are chosen by the variant, whatever TURBODIFFUSION_KERNELS says. The tables go to "
            + "the standard output. Files of results are replaced.";
        Examples =
        [
            "bench --preset wan2.1-t2v-1.3b --size 832x480 --baseline --json bench.json --table bench.md --chart bench.png",
            "bench --from bench.json --chart bench.png",
            "bench --preset wan2.2-i2v-a14b --size 1280x720 --weights int8",
            "bench --preset wan2.2-t2v-a14b --size 1280x720 --attention sagesla --weights int8 --kernels all --lora 64",
            "bench --attention sagesla --weights int8 --kernels all --profile --compare",
            "bench --model shapes --compare",
            "bench --preset wan2.1-t2v-14b --attention sagesla --weights int8 --kernels all --swapped",
            "bench --device cpu",
            "bench --end-to-end --model TurboWan2.1-1.3B --json end-to-end.json",
        ];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        (string? json, string? table) = (parsed.GetValue(_json), parsed.GetValue(_table));
        if (parsed.GetValue(_endToEnd)) return RunEndToEnd(parsed, json, table);
        string? chart = parsed.GetValue(_chart);
        foreach (string path in new[] { json, table, chart }.OfType<string>()) ResultFile.Check(path);
        void Write(BenchmarkResult soFar)
        {
            if (json is not null) ResultFile.Write(json, soFar.ToJson());
            if (table is not null) ResultFile.Write(table, soFar.ToMarkdown());
        }

        if (parsed.GetValue(_from) is { } former)
        {
            BenchmarkResult read = ResultFile.Read(former, Name, BenchmarkResult.FromJson);
            Write(read);
            return Told(read, chart);
        }
        var plan = new BenchmarkPlan
        {
            Preset = parsed.GetValue(_preset),
            Files = parsed.GetValue(_model) is { } model ? ModelLibrary.Find(model) : null,
            Size = parsed.GetValue(_size) is { } size ? VideoSize.Parse(size) : null,
            Frames = parsed.GetValue(_frames),
            Device = parsed.GetValue(_device) ?? "auto",
            Attention = Only(parsed.GetValue(_attention)),
            Weights = Only(parsed.GetValue(_weights)),
            Kernels = Only(parsed.GetValue(_kernels)),
            Swapped = parsed.GetValue(_swapped),
            Card = parsed.GetValue(_card) is { } card ? Card.Find(card) : null,
            TopK = parsed.GetValue(_topK),
            LoraRank = parsed.GetValue(_lora),
            Patience = parsed.GetValue(_patience) ?? 10,
            Seconds = parsed.GetValue(_seconds) ?? double.PositiveInfinity,
            Seed = parsed.GetValue(_seed) ?? 0,
            Profile = parsed.GetValue(_profile),
            Compare = parsed.GetValue(_compare),
            BaselineScript = parsed.GetValue(_baseline) ? parsed.GetValue(_script) ?? Script : null,
            Python = parsed.GetValue(_python) ?? "python3",
        };
        plan.Resolve();
        return Told(BenchmarkRunner.Run(plan, new Lines(Terminal.Error), Write, Terminal.Cancelled), chart);
    }

    private int Told(BenchmarkResult result, string? chart)
    {
        Terminal.Out.Write(result.ToMarkdown());
        if (chart is not null && !DecompositionChart.Draw(result, chart))
            Terminal.Error.WriteLine(
                $"warning: {chart} is not drawn: dense attention with float weights, plain, which it begins with, was not measured.");
        return ExitCode.Success;
    }

    private int RunEndToEnd(ParseResult parsed, string? json, string? table)
    {
        if (parsed.GetValue(_preset) is not null)
            throw new InvalidRequestException("preset", "--end-to-end measures a model of files; name it with --model.");
        if (parsed.GetValue(_chart) is not null || parsed.GetValue(_from) is not null)
            throw new InvalidRequestException("end-to-end", "--chart and --from are of denoising steps; leave them out with --end-to-end.");
        int repeats = parsed.GetValue(_repeats) ?? 3;
        if (repeats < 1) throw new InvalidRequestException("repeats", $"--repeats is {repeats}; give at least 1.");
        foreach (string path in new[] { json, table }.OfType<string>()) ResultFile.Check(path);
        var benchmark = new EndToEndBenchmark(
            ModelLibrary.Find(parsed.GetValue(_model)),
            new VideoModelOptions
            {
                Device = parsed.GetValue(_device) ?? "auto",
                Attention = parsed.GetValue(_attention),
                Weights = parsed.GetValue(_weights),
                TextEncoderWeights = parsed.GetValue(_textWeights),
                TopKRatio = parsed.GetValue(_topK),
                TinyVae = parsed.GetValue(_vae) == NamedVae.Tiny,
                Residency = parsed.GetValue(_residency),
            },
            new VideoRequest
            {
                Prompt = BenchmarkModel.Prompt,
                Size = parsed.GetValue(_size) is { } size ? VideoSize.Parse(size) : null,
                Frames = parsed.GetValue(_frames),
                Seed = parsed.GetValue(_seed) ?? 0,
                OutputPath = "",
            },
            repeats,
            output => ThisProgram.With(Generation(parsed, output)));
        EndToEndResult result = benchmark.Run(new Lines(Terminal.Error), Terminal.Cancelled);
        if (json is not null) ResultFile.Write(json, result.ToJson());
        if (table is not null) ResultFile.Write(table, result.ToMarkdown());
        Terminal.Out.Write(result.ToMarkdown());
        return ExitCode.Success;
    }

    // The command line of the same generation.
    private IEnumerable<string> Generation(ParseResult parsed, string output)
    {
        (Option Option, object? Value)[] same =
        [
            (_model, parsed.GetValue(_model)), (_device, parsed.GetValue(_device)), (_attention, parsed.GetValue(_attention)),
            (_weights, parsed.GetValue(_weights)), (_textWeights, parsed.GetValue(_textWeights)), (_topK, parsed.GetValue(_topK)),
            (_vae, parsed.GetValue(_vae)), (_residency, parsed.GetValue(_residency)), (_size, parsed.GetValue(_size)),
            (_frames, parsed.GetValue(_frames)), (_seed, parsed.GetValue(_seed)),
        ];
        return ["generate", BenchmarkModel.Prompt, "--output", output, "--quiet",
            .. from o in same where o.Value is not null from text in (string[])[o.Option.Name, Text(o.Value)] select text];

        static string Text(object value) =>
            value is Enum choice ? choice.ToString().ToLowerInvariant() : Convert.ToString(value, CultureInfo.InvariantCulture)!;
    }

    private static T[] Only<T>(T? value)
        where T : struct => value is { } only ? [only] : [];

    // At once and in order, where Progress<T> would queue.
    private sealed class Lines(TextWriter output) : IProgress<string>
    {
        public void Report(string value) => output.WriteLine(value);
    }
}
