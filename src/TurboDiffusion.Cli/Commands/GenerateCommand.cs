using System.CommandLine;
using TorchSharp;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Generation;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>generate</c>: a prompt becomes a video file.</summary>
internal sealed class GenerateCommand : CliCommand
{
    private readonly GenerateOptions _options = new();
    private readonly Option<bool> _quiet = Opt.Flag("--quiet", "Print only the paths of the videos.");
    private readonly Option<bool> _json = Opt.Flag("--json", "Print the result as JSON.");

    /// <summary>Creates the command.</summary>
    public GenerateCommand(Terminal terminal)
        : base(terminal, "generate", "Make a video from a prompt, or from an image and a prompt.")
    {
        _quiet.Aliases.Add("-q");
        _options.AddTo(Arguments.Add, Add);
        Add("Reporting", _quiet, _json);
        Details = "Everything is checked before the work begins. Ctrl-C ends it and leaves no half-written file. "
            + "Progress goes to the standard error, the result to the standard output.";
        Examples =
        [
            "generate \"a cat surfs on a wave at sunset\"",
            "generate \"a cat surfs\" --model TurboWan2.1-1.3B --resolution 480p --aspect-ratio 9:16 --seed 7 -o cat.mp4",
            "generate \"the cat turns its head\" --model TurboWan2.2-I2V --image cat.jpg --adaptive-size --topk 0.15",
            "generate \"a cat surfs\" --model Wan2.1-1.3B --sampler unipc --steps 30 --guidance 6 --negative-prompt blurry",
            "generate \"a cat surfs\" --model Wan2.1-14B --lora lightx2v_4step.safetensors --lora style.safetensors:0.8",
            "generate \"a cat surfs\" --preview now.png",
            "generate \"a cat\" --count 4 --json -o cats.webm",
        ];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        bool json = parsed.GetValue(_json), quiet = parsed.GetValue(_quiet);
        VideoRequest request = _options.Request(parsed);
        StepPicture? preview = _options.Preview(parsed);
        using VideoModel model = VideoModel.Open(_options.Files(parsed), _options.ModelOptions(parsed));
        foreach (string warning in model.Warnings) Terminal.Error.WriteLine($"warning: {warning}");
        if (preview is not null && !model.HasPreviews)
            throw new InvalidRequestException("preview",
                $"{model.Identity.Name} has no tiny autoencoder, and with --residency "
                    + $"{model.Residency.ToString().ToLowerInvariant()} the full one is not in memory while it denoises: leave out "
                    + "--preview, choose --residency resident, or name a taew2_1.safetensors as \"tinyVae\" in the model's model.json.");
        // A note on the prompt is for a request that can be met.
        using (torch.NewDisposeScope()) model.Check(request);
        if (model.NoteOn(request.Prompt) is { } note) Terminal.Error.WriteLine($"note: {note}");
        IReadOnlyList<VideoResult> videos = ProgressDisplay.Run(quiet ? null : Terminal,
            display => model.Generate(request, new StageProgress(display), preview, Terminal.Cancelled));
        if (VideoModel.MachineNote is { } said) Terminal.Error.WriteLine($"warning: {said}");
        if (json) Terminal.Out.WriteLine(GenerationReport.Json(videos, model.HasRandomWeights));
        else if (quiet) foreach (VideoResult video in videos) Terminal.Out.WriteLine(video.Path);
        else Terminal.Out.WriteLine(GenerationReport.Text(videos, model.HasRandomWeights));
        return ExitCode.Success;
    }

    /// <summary>The generator's progress in words.</summary>
    private sealed class StageProgress(IProgress<ProgressState> display) : IProgress<GenerationProgress>
    {
        public void Report(GenerationProgress value) => display.Report(new ProgressState(
            value is { Videos: > 1, Stage: GenerationStage.Denoising or GenerationStage.Decoding }
                ? $"{GenerationReport.Name(value.Stage)}, video {value.Video + 1} of {value.Videos}" : GenerationReport.Name(value.Stage),
            value.Step, value.TotalSteps, Unit(value.Stage), value.Remaining, Percent: value.Percent));

        private static string Unit(GenerationStage stage) => stage switch
        {
            GenerationStage.Loading => "tensors",
            GenerationStage.Denoising => "steps",
            GenerationStage.Decoding => "frames",
            _ => "",
        };
    }
}
