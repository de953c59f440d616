using System.CommandLine;
using System.Diagnostics;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Training.Data;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>encode</c>: a folder of videos becomes training data.</summary>
internal sealed class EncodeCommand : CliCommand
{
    private readonly Argument<string> _videos =
        new("VIDEOS") { Description = "A folder of videos, each with its caption beside it: clip.mp4, clip.txt." };
    private readonly Argument<string> _output = new("OUT")
    {
        Description = "The folder to write; new, or of an interrupted run, which goes on.",
    };

    private readonly Option<string?> _model = Opt.Text("--model", "NAME|FOLDER",
        "The model whose VAE and text encoder encode (see turbodiffusion models).", "-m");
    private readonly Option<bool> _clips = Opt.Flag("--clips",
        "Write the pixels of clips, to train a VAE; needs neither model nor captions.");
    private readonly Option<string?> _size = Opt.Text("--size", "WxH",
        $"Width and height of the clips, multiples of 16. Default: the model's, or {ModelSpec.T2V1_3B.Size}.", "-s");
    private readonly Option<int?> _frames = Opt.Number<int>("--frames", "N",
        $"Frames of a clip, 4k + 1. Default: the model's, or {ModelSpec.T2V1_3B.Frames}.", "-f");
    private readonly Option<double?> _fps = Opt.Number<double>("--fps", "N",
        $"Frames per second of the clips. Default: the model's, or {ModelSpec.T2V1_3B.FramesPerSecond}.");
    private readonly Option<int?> _perVideo = Opt.Number<int>("--clips-per-video", "N",
        "The most clips that are cut from one video. Default: all that it has.");
    private readonly Option<string?> _negative = Opt.Text("--negative-prompt", "TEXT",
        "What guidance steers away from in training. Default: the empty prompt.");
    private readonly Option<string?> _device = Opt.Text("--device", "auto|cpu|cuda|cuda:N",
        "Default: auto, the first GPU or else the CPU.");

    /// <summary>Creates the command.</summary>
    public EncodeCommand(Terminal terminal)
        : base(terminal, "encode", "Encode videos with captions as training data.")
    {
        Arguments.Add(_videos);
        Arguments.Add(_output);
        Add("Options", _model, _clips, _size, _frames, _fps, _perVideo, _negative, _device);
        Details = "Every video is resized to cover the size, cropped around the centre, brought to the frame rate and cut into clips one "
            + "after the other. Videos shorter than one clip are left out with a warning. Needs ffmpeg.";
        Examples =
        [
            "encode videos data/latents --model Wan2.1-1.3B --size 832x480 --frames 81 --fps 16",
            "encode videos data/clips --clips --size 256x256 --frames 17",
        ];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        var clock = Stopwatch.StartNew();
        string output = parsed.GetRequiredValue(_output);
        bool clips = parsed.GetValue(_clips);
        if (clips == parsed.GetValue(_model) is not null)
            throw new InvalidRequestException("model", "Name the --model that encodes the videos, or give --clips for their pixels.");
        var videos = new VideoFolder(parsed.GetRequiredValue(_videos));
        using VideoModel? model = clips ? null
            : VideoModel.Open(ModelLibrary.Find(parsed.GetValue(_model)),
                new VideoModelOptions { Device = parsed.GetValue(_device) ?? "auto" });
        VideoClipOptions options = ClipOptions(parsed, model?.Spec ?? ModelSpec.T2V1_3B);
        EncodingProgress done = ProgressDisplay.Run(Terminal, display =>
        {
            var progress = new VideoProgress(display);
            return model is null
                ? VideoEncoding.CopyClips(videos, output, options, progress, Terminal.Cancelled)
                : VideoEncoding.EncodeLatents(videos, output, options, model.Components, parsed.GetValue(_negative) ?? "", progress,
                    Terminal.Cancelled);
        });
        foreach (VideoFile video in done.TooShort)
            Terminal.Error.WriteLine($"warning: {video.Path} is shorter than one clip and was left out");
        if (done.Clips == 0)
            throw new InvalidRequestException("frames",
                $"No video has {options.Frames} frames at {options.FramesPerSecond} per second; choose fewer frames.");
        int used = done.Videos - done.TooShort.Count;
        Terminal.Out.WriteLine($"{Path.GetFullPath(output)}: {done.Clips} clips of {used} videos; {Format.Seconds(clock.Elapsed)}");
        return ExitCode.Success;
    }

    private VideoClipOptions ClipOptions(ParseResult parsed, ModelSpec spec) => new()
    {
        Size = parsed.GetValue(_size) is { } size ? VideoSize.Parse(size) : spec.Size,
        Frames = parsed.GetValue(_frames) ?? spec.Frames,
        FramesPerSecond = parsed.GetValue(_fps) ?? spec.FramesPerSecond,
        ClipsPerVideo = parsed.GetValue(_perVideo),
    };

    private sealed class VideoProgress(IProgress<ProgressState> display) : IProgress<EncodingProgress>
    {
        public void Report(EncodingProgress value) =>
            display.Report(new ProgressState("encoding", value.Videos, value.TotalVideos, "videos", null, $"{value.Clips} clips"));
    }
}
