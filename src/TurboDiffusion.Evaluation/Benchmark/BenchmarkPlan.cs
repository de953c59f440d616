using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Models;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>What is to be measured: one denoising step, batch 1, of a model of random weights, or of a model of files.</summary>
internal sealed record BenchmarkPlan
{
    /// <summary>The name that stands for the small model, the only one that the CPU measures.</summary>
    public const string Small = "small-random";

    /// <summary>Frames on the CPU where none are asked for.</summary>
    public const int CpuFrames = 5;

    /// <summary>The size on a GPU where none is asked for, whichever the model.</summary>
    public static VideoSize GpuSize => ModelSpec.T2V1_3B.Size;

    /// <summary>The size on the CPU where none is asked for.</summary>
    public static VideoSize CpuSize { get; } = new(64, 64);

    /// <summary>A published model's name; null: the 1.3B model on a GPU, <see cref="Small"/> on the CPU.</summary>
    public string? Preset { get; init; }

    /// <summary>A model whose own weights are measured; null: random ones, of <see cref="Preset"/>.</summary>
    public ModelFiles? Files { get; init; }

    /// <summary>Width and height in pixels; null: those of <see cref="Files"/>, <see cref="GpuSize"/> or <see cref="CpuSize"/>.</summary>
    public VideoSize? Size { get; init; }

    /// <summary>Frames, 4k + 1; null: the model's, of random weights on the CPU <see cref="CpuFrames"/>.</summary>
    public int? Frames { get; init; }

    /// <summary><c>auto</c> (the first GPU), <c>cuda:N</c> or <c>cpu</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>Only variants of these kinds of attention; empty: all.</summary>
    public IReadOnlyList<AttentionKind> Attention { get; init; } = [];

    /// <summary>Only variants of these number formats; empty: all.</summary>
    public IReadOnlyList<WeightFormat> Weights { get; init; } = [];

    /// <summary>Only variants of this use of kernels; empty: all.</summary>
    public IReadOnlyList<KernelUse> Kernels { get; init; } = [];

    /// <summary>Whether to measure every variant a second time with its blocks' weights in host memory.</summary>
    public bool Swapped { get; init; }

    /// <summary>The card whose memory the GPU is to have: the rest of its own is taken away; null: its own.</summary>
    public Card? Card { get; init; }

    /// <summary>Sparse attention's share of key blocks; null: the model's.</summary>
    public double? TopK { get; init; }

    /// <summary>The rank of a LoRA to merge into the weights, of all linear layers of the blocks; null: none.</summary>
    public int? LoraRank { get; init; }

    /// <summary>About how many seconds a variant is repeated; at least one timed step, at most eleven.</summary>
    public double Patience { get; init; } = 10;

    /// <summary>Seconds after which no further row is begun.</summary>
    public double Seconds { get; init; } = double.PositiveInfinity;

    /// <summary>The seed of weights and noise.</summary>
    public ulong Seed { get; init; }

    /// <summary>Whether to time the parts of the step too.</summary>
    public bool Profile { get; init; }

    /// <summary>Whether to compare the accelerated paths' latents with those of the plain one.</summary>
    public bool Compare { get; init; }

    /// <summary>The PyTorch script to measure beside; null: none.</summary>
    public string? BaselineScript { get; init; }

    /// <summary>The Python that runs it.</summary>
    public string Python { get; init; } = "python3";

    /// <summary>The plan with its defaults filled in for the device.</summary>
    /// <exception cref="EnvironmentException">There is no GPU, and the CPU was not asked for.</exception>
    /// <exception cref="InvalidRequestException">A value cannot be used.</exception>
    public BenchmarkTarget Resolve()
    {
        torch.Device device = Devices.Parse(Device);
        bool gpu = device.type == DeviceType.CUDA;
        if (!gpu && Device.Trim().Equals("auto", StringComparison.OrdinalIgnoreCase))
            throw new EnvironmentException("cuda",
                "The benchmark measures a GPU, and libtorch sees none. See turbodiffusion doctor; or --device cpu, which measures the "
                    + $"{Small} model in float32.");
        if (Files is not null && (Preset is not null || LoraRank is not null || BaselineScript is not null))
            throw new InvalidRequestException("model",
                $"{Files.Name} is measured with its own weights; leave out the preset, the LoRA and the baseline, whose weights are "
                    + "random.");
        bool small = Preset is null ? !gpu : Preset.Equals(Small, StringComparison.OrdinalIgnoreCase);
        ModelSpec spec = Files is not null ? SpecOf(Files)
            : small ? ModelSpec.T2V1_3B with { Name = Small, Transformer = new SmallModel().TransformerConfig }
            : ModelSpec.Find(Preset ?? ModelSpec.T2V1_3B.Name);
        if (!gpu && !small && Files is null)
            throw new InvalidRequestException("preset",
                $"A step of {spec.Name} takes minutes on the CPU; leave the preset out to measure {Small}, or use a GPU.");
        if (!gpu && BaselineScript is not null)
            throw new InvalidRequestException("baseline", "The PyTorch baseline runs on a GPU; leave it out with the device cpu.");
        if (BaselineScript is { } script && !File.Exists(script))
            throw new InvalidRequestException("baseline",
                $"There is no PyTorch baseline {script}; run from the repository, or name its "
                + "tests/TurboDiffusion.Benchmarks/baseline.py.");
        if (BaselineScript is not null && spec.ImageEncoder is not null)
            throw new InvalidRequestException("baseline",
                $"The PyTorch baseline has no attention to an image encoder's tokens, which {spec.Name} has; leave the baseline out.");
        int frames = Frames ?? (gpu || Files is not null ? spec.Frames : CpuFrames);
        spec.Vae.CheckFrames(frames);
        if (!double.IsFinite(Patience) || Patience is < 0 or > 3600)
            throw new InvalidRequestException("patience", $"The patience is {Patience} seconds; give 0 to 3600.");
        if (!(Seconds > 0))
            throw new InvalidRequestException("seconds", $"The benchmark's time is {Seconds} seconds; give more than 0.");
        if (LoraRank is < 1 or > 4096) throw new InvalidRequestException("lora", $"The LoRA's rank is {LoraRank}; give 1 to 4096.");
        double topK = TopK ?? spec.TopKRatio;
        _ = AttentionOptions.Sla(topK);
        BenchmarkVariant[] variants = [.. (gpu ? BenchmarkVariant.Default : BenchmarkVariant.Plain).Where(v =>
            (Attention.Count == 0 || Attention.Contains(v.Attention)) && (Weights.Count == 0 || Weights.Contains(v.Weights))
            && (Kernels.Count == 0 || Kernels.Contains(v.Kernels)))];
        if (Swapped) variants = [.. variants.SelectMany(v => (BenchmarkVariant[])[v, v with { Swapped = true }])];
        if (Card is not null && !gpu)
            throw new InvalidRequestException("card", "A GPU's memory can be made that of another card; leave the card out on the CPU.");
        if (variants.Length == 0)
            throw new InvalidRequestException("variants",
                "No variant is of this attention, these weights and this use of kernels; leave one of the three out.");
        if (variants.Any(v => v.Kernels != KernelUse.None)
            && KernelMachine.Best(Math.Max(device.index, 0)) is { IsKernel: false } missing)
            throw new EnvironmentException("kernels",
                $"The CUDA kernels cannot run here: {missing.Reason}. With --kernels none, only the plain forms are measured.");
        return new BenchmarkTarget(spec, Size ?? (Files is not null ? spec.Size : gpu ? GpuSize : CpuSize), frames, device, variants)
        {
            TopK = topK,
            LoraRank = LoraRank,
            Files = Files,
        };
    }

    // Headers alone are read.
    private ModelSpec SpecOf(ModelFiles files)
    {
        using VideoModel model = VideoModel.Open(files, new VideoModelOptions { Device = Device });
        return model.Spec with
        {
            Name = files.Name, Transformer = model.Components.TransformerConfig, Vae = model.Components.VaeConfig,
        };
    }
}
