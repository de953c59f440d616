using System.CommandLine;
using System.Diagnostics;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Runtime;
using TurboDiffusion.ShapeWorld;
using TurboDiffusion.Training.Data;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>world</c>: the shape world as training data: a tokenizer for its captions, and clips encoded by a VAE.</summary>
internal sealed class WorldCommand : CliCommand
{
    private const string TokenizerFile = "spiece.model", LatentsFile = "latents.safetensors", VaeFile = "vae.safetensors";

    private readonly Argument<string> _output =
        new("OUT") { Description = $"The folder to write {TokenizerFile}, {LatentsFile} and {VaeFile} into." };
    private readonly Option<string?> _vae = Opt.Text("--vae", "FILE",
        $"The VAE that encodes the clips; {VaeFile} is the same with scaled latents. Without one, only the tokenizer is written.");
    private readonly Option<int?> _clips = Opt.Number<int>("--clips", "N", "Clips to render. Default: 1000.");
    private readonly Option<string?> _size = Opt.Text("--size", "WxH",
        "Width and height of the clips, multiples of 16 from 64x48. Default: 192x112.", "-s");
    private readonly Option<int?> _frames = Opt.Number<int>("--frames", "N", "Frames of each clip, 4k + 1. Default: 33.");
    private readonly Option<int?> _captions = Opt.Number<int>("--captions", "N", "Captions of each clip. Default: 4.");
    private readonly Option<int?> _length = Opt.Number<int>("--text-length", "N", "Tokens of a caption, padding included. Default: 48.");
    private readonly Option<int?> _seed = Opt.Number<int>("--seed", "N", "The seed of the first clip. Default: 0.");
    private readonly Option<string?> _device = Opt.Text("--device", "DEVICE", "auto, cpu, cuda or cuda:N. Default: auto.");

    /// <summary>Creates the command.</summary>
    public WorldCommand(Terminal terminal)
        : base(terminal, "world", "Render the shape world and encode it, as data to train a small model on.")
    {
        Arguments.Add(_output);
        Add("Options", _vae, _clips, _size, _frames, _captions, _length, _seed, _device);
        Details = "Moving shapes with captions. Some combinations of shape, colour, background and motion are never drawn: they are for "
            + "evaluation.";
        Examples = ["world data", "world data --vae runs/vae/model.safetensors --clips 12000"];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        var clock = Stopwatch.StartNew();
        string folder = Path.GetFullPath(parsed.GetRequiredValue(_output)),
            tokenizer = Path.Combine(folder, TokenizerFile);
        SentencePieceVocabulary.Write(tokenizer, Captions.Vocabulary);
        Terminal.Out.WriteLine($"{tokenizer}: {SentencePieceTextTokenizer.Open(tokenizer).VocabularySize} tokens");
        if (parsed.GetValue(_vae) is not { } file) return ExitCode.Success;

        var world = new WorldOptions { Clips = parsed.GetValue(_clips) ?? 1000, Seed = parsed.GetValue(_seed) ?? 0 };
        if (parsed.GetValue(_size) is { } size) world = world
            with { Width = VideoSize.Parse(size).Width, Height = VideoSize.Parse(size).Height };
        if (parsed.GetValue(_frames) is { } frames) world = world with { Frames = frames };
        var placement = new Placement(Devices.Parse(parsed.GetValue(_device) ?? "auto"), torch.ScalarType.Float32);
        using ICheckpoint checkpoint = Checkpoint.OpenModel(file);
        using var vae = new WanVae(VaeConfig.FromCheckpoint(checkpoint), placement);
        StrictLoader.Load(vae, checkpoint, cancellationToken: Terminal.Cancelled);
        string latents = Path.Combine(folder, LatentsFile);
        ProgressDisplay.Run(Terminal, display =>
        {
            WorldLatents.Write(latents, world, parsed.GetValue(_captions) ?? 4, vae,
                SentencePieceTextTokenizer.Open(tokenizer, parsed.GetValue(_length) ?? 48),
                placement, new ClipProgress(display), Terminal.Cancelled);
            SafetensorsWriter.Write(Path.Combine(folder, VaeFile), [.. vae.state_dict().Select(p => TensorSource.From(p.Key, p.Value))]);
            return true;
        });
        Terminal.Out.WriteLine($"{latents}: {world.Clips} clips; {Format.Seconds(clock.Elapsed)}");
        return ExitCode.Success;
    }

    private sealed class ClipProgress(IProgress<ProgressState> display) : IProgress<(int Done, int Total)>
    {
        public void Report((int Done, int Total) value) =>
            display.Report(new ProgressState("encoding", value.Done, value.Total, "clips", null));
    }
}
