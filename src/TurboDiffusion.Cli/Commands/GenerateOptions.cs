using System.CommandLine;
using System.Globalization;
using TorchSharp;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Models;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Cli.Commands;

/// <summary>The options of <c>generate</c>, and what they ask for.</summary>
internal sealed class GenerateOptions
{
    /// <summary>The output where none is named; it alone is replaced without being asked.</summary>
    public const string DefaultOutput = "video.mp4";

    private const string TinyVae = "tiny";

    private readonly Argument<string> _prompt = new("PROMPT") { Description = "What the video shows." };

    private readonly Option<string?> _model = Opt.Text("--model", "NAME|FOLDER",
        "A model of the library (see turbodiffusion models) or the folder of one. Default: shapes, the small model that comes with the "
            + "program.", "-m");
    private readonly Option<string?> _transformer =
        Opt.Text("--transformer", "FILE",
            "The transformer, in place of the model's; of two experts, the high-noise one. The files below with it make a model by "
                + "themselves.");
    private readonly Option<string?> _lowNoise = Opt.Text("--low-noise-transformer", "FILE", "Of two experts, the low-noise one.");
    private readonly Option<string?> _vae = Opt.Text("--vae", $"FILE|{TinyVae}",
        "The video autoencoder, a full or a tiny one (TAEHV); tiny: the model's tiny one.");
    private readonly Option<string?> _textEncoder = Opt.Text("--text-encoder", "FILE", "The umT5 text encoder.");
    private readonly Option<string?> _imageEncoder = Opt.Text("--image-encoder", "FILE",
        "The CLIP image encoder, for Wan 2.1 image to video.");
    private readonly Option<string?> _tokenizer = Opt.Text("--tokenizer", "FILE", "The SentencePiece model of the text encoder.");
    private readonly LoraArguments _loras = new();

    private readonly Option<string?> _image = Opt.Text("--image", "FILE",
        "The first frame (JPEG, PNG, WebP), for image-to-video models.", "-i");
    private readonly Option<string?> _endImage = Opt.Text("--end-image", "FILE",
        "The last frame beside the first, for models that take one (FLF2V, Wan 2.2 image to video).");
    private readonly Option<bool> _adaptive = Opt.Flag("--adaptive-size", "Keep the image's aspect ratio, at the area of the size.");

    private readonly Option<string?> _size = Opt.Text("--size", "WxH",
        $"Width and height in pixels, multiples of 16. Default: the model's ({Published(s => s.Size)}).", "-s");
    private readonly Option<string?> _resolution = Opt.Text("--resolution", string.Join('|', VideoSize.Resolutions),
        "A size by its name, with --aspect-ratio.");
    private readonly Option<string?> _aspect = Opt.Text("--aspect-ratio", "W:H",
        $"{string.Join(", ", VideoSize.AspectRatios)}. Default: 16:9.");
    private readonly Option<int?> _frames = Opt.Number<int>("--frames", "N",
        $"Frames, 4k + 1. Default: the model's ({Published(s => s.Frames)}).", "-f");
    private readonly Option<double?> _fps = Opt.Number<double>("--fps", "X",
        $"Frames per second of the file, such as 16 or 23.976. Default: the model's ({Published(s => s.FramesPerSecond)}).");

    private readonly Option<int?> _steps = Opt.Number<int>("--steps", "N",
        $"Denoising steps: 1 to {RcmSampler.MaxSteps} with rcm, any number with unipc and euler. Default: the model's (rcm "
            + $"{Published(s => s.Sampling.RcmSteps)}, others {Published(s => s.Sampling.FlowSteps)}).");
    private readonly Option<SamplerKind?> _sampler = Opt.Choice<SamplerKind>("--sampler",
        "rcm for distilled models, unipc or euler for original ones. Default: what the model is made for.");
    private readonly Option<bool> _ode = Opt.Flag("--ode",
        "rcm: follow the deterministic flow; sharper, less robust. Default for image to video.");
    private readonly Option<bool> _sde = Opt.Flag("--sde", "rcm: add fresh noise in every step. Default for text to video.");
    private readonly Option<double?> _sigmaMax = Opt.Number<double>("--sigma-max", "X",
        $"rcm: noise over signal at the first step. Default: the model's ({Published(s => s.Sampling.SigmaMax)}).");
    private readonly Option<double?> _shift = Opt.Number<double>("--shift", "X",
        "unipc, euler: how far the steps lean to the noisy end; 3 suits small sizes. Default: the model's "
            + $"({Published(s => s.Sampling.Shift)}).");
    private readonly Option<GuidanceScale?> _guidance = Opt.Guidance(
        "Classifier-free guidance, or that of the low-noise and of the high-noise expert; 1 is none. Default: 1 for distilled models, "
            + $"the model's for original ones ({Published(s => s.Sampling.GuidanceScale)}).");
    private readonly Option<string?> _negative = Opt.Text("--negative-prompt", "TEXT",
        "What the video should not show; counts only with guidance.");
    private readonly Option<double?> _boundary = Opt.Number<double>("--boundary", "X",
        "With two experts: the time in (0, 1) at which the low-noise one takes over. "
            + $"Default: the model's ({Published(s => s.Boundary)}).");

    private readonly Option<int?> _causal = Opt.Number<int>("--causal", "N",
        "Denoise N latent frames (4 frames each) at a time, each group after the ones before it; only for models distilled for it.");

    private readonly Option<ulong?> _seed =
        Opt.Seed("The same seed gives the same video on every device: 0 to 18446744073709551615. Default, or -1: a new one, which the "
            + "result shows.");
    private readonly Option<int?> _count = Opt.Number<int>("--count", "N",
        "How many videos, from consecutive seeds: video-1.mp4, video-2.mp4, … Default: 1.", "-n");

    private readonly Option<AttentionKind?> _attention =
        Opt.Choice<AttentionKind>("--attention", "The self-attention. Default: where the checkpoint is made for it, sagesla on a GPU with "
            + "kernels and sla elsewhere; dense otherwise.");
    private readonly Option<double?> _topK = Opt.Number<double>("--topk", "X",
        $"sla, sagesla: the share of key blocks that is kept, in (0, 1]. Default: {AttentionOptions.DefaultTopKRatio}; 0.15 is better "
            + "and slower.");
    private readonly Option<WeightFormat?> _weights = Opt.Choice<WeightFormat>("--weights",
        "The number format of the transformer's layers; float checkpoints are quantized as they are read. Default: int8 where that of "
            + "--attention is sagesla, the checkpoint's elsewhere.");
    private readonly Option<WeightFormat?> _textWeights = Opt.TextEncoderWeights();
    private readonly Option<string?> _device = Opt.Text("--device", "auto|cpu|cuda|cuda:N",
        "Default: auto, the first GPU or else the CPU.");
    private readonly Option<torch.ScalarType?> _dtype = Opt.Choice("--dtype",
        "The type of float weights. Default: bfloat16 on a GPU; float32 on the CPU, the VAE aside where it multiplies bfloat16.",
        Opt.Dtypes);
    private readonly Option<Residency?> _residency = Opt.Residency();

    private readonly Option<string?> _output = Opt.Text("--output", "PATH",
        $"An .mp4, .webm or .gif file, or a folder for PNG frames (ends in /). Default: {DefaultOutput}, which replaces an earlier one.",
        "-o");
    private readonly Option<bool> _overwrite = Opt.Flag("--overwrite", "Replace the output if it exists.");
    private readonly Option<int?> _crf = Opt.Number<int>("--crf", "N",
        "Quality of MP4 and WebM: 0 is best and largest. Default: 18 for MP4, 30 for WebM.");

    private readonly Option<bool> _nvenc = Opt.Flag("--nvenc", "MP4: encode on the NVIDIA GPU's encoder, where ffmpeg has it.");
    private readonly Option<string?> _preview = Opt.Text("--preview", "FILE",
        "A PNG that shows frames of the video as the model predicts them, replaced after every denoising step. All along the video where "
            + "the model has a tiny autoencoder, else the first frame.");

    /// <summary>Adds them to the command.</summary>
    /// <param name="argument">Takes the prompt.</param>
    /// <param name="group">Takes the options under a title.</param>
    public void AddTo(Action<Argument> argument, Action<string, Option[]> group)
    {
        argument(_prompt);
        group("Model", [_model, _transformer, _lowNoise, _vae, _textEncoder, _imageEncoder, _tokenizer, .. _loras.Options]);
        group("Image to video", [_image, _endImage, _adaptive]);
        group("Video", [_size, _resolution, _aspect, _frames, _fps, _count, _seed]);
        group("Sampling", [_steps, _sampler, _ode, _sde, _sigmaMax, _shift, _guidance, _negative, _boundary, _causal]);
        group("Running", [_attention, _topK, _weights, _textWeights, _device, _dtype, _residency]);
        group("Output", [_output, _overwrite, _crf, _nvenc, _preview]);
    }

    /// <summary>The request.</summary>
    /// <param name="parsed">The arguments.</param>
    /// <exception cref="InvalidRequestException">Options contradict each other, or the image cannot be read.</exception>
    public VideoRequest Request(ParseResult parsed)
    {
        string? output = parsed.GetValue(_output), image = parsed.GetValue(_image), endImage = parsed.GetValue(_endImage);
        if (parsed.GetValue(_ode) && parsed.GetValue(_sde))
            throw new InvalidRequestException("ode", "--ode and --sde exclude each other; give one.");
        if (parsed.GetValue(_adaptive) && image is null)
            throw new InvalidRequestException("image", "--adaptive-size follows an image; give one with --image.");
        if (endImage is not null && image is null)
            throw new InvalidRequestException("image", "--end-image is the last frame beside a first one; give that with --image.");
        return new VideoRequest
        {
            Prompt = parsed.GetRequiredValue(_prompt),
            NegativePrompt = parsed.GetValue(_negative),
            StartImage = image is null ? null : (ReadOnlyMemory<byte>?)ImageReader.ReadBytes(image),
            StartImageName = image ?? "",
            EndImage = endImage is null ? null : (ReadOnlyMemory<byte>?)ImageReader.ReadBytes(endImage),
            EndImageName = endImage ?? "",
            AdaptiveSize = parsed.GetValue(_adaptive),
            Size = Size(parsed),
            Frames = parsed.GetValue(_frames),
            FramesPerSecond = parsed.GetValue(_fps),
            Sampler = parsed.GetValue(_sampler),
            Steps = parsed.GetValue(_steps),
            Ode = parsed.GetValue(_ode) ? true : parsed.GetValue(_sde) ? false : null,
            SigmaMax = parsed.GetValue(_sigmaMax),
            Shift = parsed.GetValue(_shift),
            GuidanceScale = parsed.GetValue(_guidance),
            CausalFrames = parsed.GetValue(_causal),
            Seed = parsed.GetValue(_seed),
            Count = parsed.GetValue(_count) ?? 1,
            OutputPath = output ?? DefaultOutput,
            Output = new VideoOptions
            {
                Overwrite = output is null || parsed.GetValue(_overwrite),
                Crf = parsed.GetValue(_crf),
                Nvenc = parsed.GetValue(_nvenc),
            },
        };
    }

    /// <summary>The picture that shows each step; null where none is asked for.</summary>
    /// <param name="parsed">The arguments.</param>
    /// <exception cref="InvalidRequestException">It cannot be written there.</exception>
    public StepPicture? Preview(ParseResult parsed) => parsed.GetValue(_preview) is { } path ? new StepPicture(path) : null;

    /// <summary>How the model is run.</summary>
    /// <param name="parsed">The arguments.</param>
    public VideoModelOptions ModelOptions(ParseResult parsed) => new()
    {
        Device = parsed.GetValue(_device) ?? "auto",
        Dtype = parsed.GetValue(_dtype),
        Attention = parsed.GetValue(_attention),
        TopKRatio = parsed.GetValue(_topK),
        Weights = parsed.GetValue(_weights),
        TextEncoderWeights = parsed.GetValue(_textWeights),
        Loras = _loras.Of(parsed),
        Boundary = parsed.GetValue(_boundary),
        TinyVae = parsed.GetValue(_vae) == TinyVae,
        Residency = parsed.GetValue(_residency),
    };

    /// <summary>The model's files: those of a named model, with the single files that are named in their place.</summary>
    /// <param name="parsed">The arguments.</param>
    /// <exception cref="TurboDiffusionException">There is no such model, or files are missing.</exception>
    public ModelFiles Files(ParseResult parsed)
    {
        Option<string?>[] single = [_transformer, _lowNoise, _vae, _textEncoder, _imageEncoder, _tokenizer];
        string? Named(Option<string?> option) => parsed.GetValue(option) is { } file && (option != _vae || file != TinyVae) ? file : null;
        if (parsed.GetValue(_model) is null && single.Any(o => Named(o) is not null))
        {
            Option<string?>[] missing = [.. single.Where(o => o != _lowNoise && o != _imageEncoder && Named(o) is null)];
            if (missing.Length > 0)
                throw new InvalidRequestException("model",
                    $"A model of single files needs {string.Join(", ", missing.Select(o => o.Name))} as well; or name a --model that has "
                        + "the others.");
            string transformer = parsed.GetValue(_transformer)!;
            return new ModelFiles
            {
                Name = Path.GetFileNameWithoutExtension(transformer),
                Transformer = transformer,
                LowNoiseTransformer = parsed.GetValue(_lowNoise),
                Vae = parsed.GetValue(_vae)!,
                TextEncoder = parsed.GetValue(_textEncoder)!,
                Tokenizer = parsed.GetValue(_tokenizer)!,
                ImageEncoder = parsed.GetValue(_imageEncoder),
            };
        }
        ModelFiles files = ModelLibrary.Find(parsed.GetValue(_model));
        return files with
        {
            Transformer = parsed.GetValue(_transformer) ?? files.Transformer,
            LowNoiseTransformer = parsed.GetValue(_lowNoise) ?? files.LowNoiseTransformer,
            Vae = Named(_vae) ?? files.Vae,
            TextEncoder = parsed.GetValue(_textEncoder) ?? files.TextEncoder,
            Tokenizer = parsed.GetValue(_tokenizer) ?? files.Tokenizer,
            ImageEncoder = parsed.GetValue(_imageEncoder) ?? files.ImageEncoder,
        };
    }

    private static string Published(Func<ModelSpec, object?> fact) =>
        "Wan: " + string.Join(" or ", ModelSpec.All.Select(fact).OfType<object>().Distinct()
            .Select(f => Convert.ToString(f, CultureInfo.InvariantCulture)));

    private VideoSize? Size(ParseResult parsed)
    {
        (string? size, string? resolution, string? aspect) =
            (parsed.GetValue(_size), parsed.GetValue(_resolution), parsed.GetValue(_aspect));
        if (size is not null && (resolution ?? aspect) is not null)
            throw new InvalidRequestException("size", "--size already says what --resolution and --aspect-ratio would; give either.");
        if (resolution is null && aspect is not null)
            throw new InvalidRequestException("aspect ratio",
                $"--aspect-ratio needs --resolution ({string.Join(" or ", VideoSize.Resolutions)}) with it.");
        return size is not null ? VideoSize.Parse(size) : resolution is not null ? VideoSize.Preset(resolution, aspect ?? "16:9") : null;
    }
}
