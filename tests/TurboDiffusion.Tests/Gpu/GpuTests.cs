using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests.Generation;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Gpu;

/// <summary>The GPU computes what the CPU computes. Skipped, saying so, where there is no GPU.</summary>
[Trait("Category", "Gpu")]
public class GpuTests(SmallModelFixture models)
{
    private readonly Generator _random = new(1);

    [Theory]
    [InlineData(AttentionKind.Dense, 1e-4)]
    [InlineData(AttentionKind.Sla, 1e-4)]
    // A rounding that falls the other way moves a value by a whole int8 or fp8 step.
    [InlineData(AttentionKind.SageSla, 5e-3)]
    public void Attention_agrees_with_the_CPU(AttentionKind kind, double limit)
    {
        RequiredGpu.Check();
        using var scope = NewDisposeScope();
        var generator = new Generator(5);
        Tensor q = randn(1, 700, 2, 64, generator: generator), k = randn(1, 700, 2, 64, generator: generator),
            v = randn(1, 700, 2, 64, generator: generator);
        AttentionOptions options = AttentionOptions.Of(kind, 0.4);
        using AttentionOperator cpu = Filled(AttentionOperator.Create(options, 64, Placement.Cpu));
        using AttentionOperator gpu = Filled(AttentionOperator.Create(options, 64, Cuda));
        Comparison.RelativeL2(cpu.call(q, k, v), gpu.call(q.cuda(), k.cuda(), v.cuda()), limit, kind.ToString());
    }

    [Fact]
    public void An_int8_layer_agrees_with_the_CPU()
    {
        RequiredGpu.Check();
        using var scope = NewDisposeScope();
        Tensor x = randn(300, 200, generator: new Generator(1)), w = randn(130, 200, generator: new Generator(2));
        (Tensor values, Tensor scales) = BlockInt8.Quantize(w);
        Tensor Run(Placement placement)
        {
            using var layer = new Int8Linear(200, 130, placement, bias: false);
            using var noGradient = no_grad();
            layer.get_parameter("int8_weight")!.copy_(values);
            layer.get_parameter("scale")!.copy_(scales);
            return layer.call(x.to(placement.Device));
        }

        Comparison.RelativeL2(Run(Placement.Cpu), Run(Cuda), 1e-3, "W8A8");
    }

    // Pieces through pinned memory, beside tensors that are converted on the way.
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Weights_arrive_on_the_GPU_as_they_are_in_the_file(ScalarType dtype)
    {
        RequiredGpu.Check();
        using var scope = NewDisposeScope();
        string path = System.IO.Path.Combine(models.NewFolder(), "vae.safetensors");
        using (var network = new WanVae(VaeConfig.Wan21, Placement.Meta))
            SafetensorsWriter.Write(path, TensorSource.From(new RandomCheckpoint(network, 4)));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        using var vae = new WanVae(VaeConfig.Wan21, Cuda with { Dtype = dtype });
        for (int i = 0; i < 3; i++)
        {
            foreach (Tensor tensor in vae.state_dict().Values) tensor.fill_(7);
            StrictLoader.Load(vae, file, null, TestContext.Current.CancellationToken);
            foreach ((string name, Tensor tensor) in vae.state_dict())
                Comparison.Exact(file.Read(name).to(tensor.dtype), tensor.cpu(), name);
        }
    }

    // The driver's copies beside libtorch's kernels, three steps around all blocks: no slot is overwritten or read too early.
    [Theory]
    [InlineData(AttentionKind.Dense, WeightFormat.Float)]
    [InlineData(AttentionKind.SageSla, WeightFormat.Int8)]
    public void Swapped_blocks_give_what_resident_ones_give_bit_for_bit(AttentionKind kind, WeightFormat weights)
    {
        RequiredGpu.Check();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        // Blocks of 34 MB, or half of it in int8. A copy takes longer than the kernels of a block of a small clip, and less long than those
        // of a large one: kernels wait for copies, and copies for kernels.
        var config = new WanConfig(1024, 4096, 8, 12, textDim: 256, freqDim: 256);
        Tensor text = randn([1, 64, 256], generator: new Generator(9));
        using WanModel resident = Loaded(swaps: false), swapped = Loaded(swaps: true);
        for (int step = 0; step < 3; step++)
        {
            Tensor latents = randn(step == 1 ? [1, 16, 9, 64, 64] : [1, 16, 5, 32, 32], generator: new Generator((ulong)step));
            Tensor expected = Velocity(resident, latents), actual = Velocity(swapped, latents);
            Comparison.Exact(expected, actual, $"step {step}");
        }

        WanModel Loaded(bool swaps)
        {
            using var shape = new WanModel(config, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
            using var random = new RandomCheckpoint(shape, 3, metadata: WanCheckpoint.Metadata(config)) { Device = Cuda.Device };
            return WanCheckpoint.Load(random, AttentionOptions.Of(kind, 0.3), weights, Cuda with { Dtype = ScalarType.BFloat16 },
                swapsBlocks: swaps);
        }

        Tensor Velocity(WanModel model, Tensor latents)
        {
            using var inner = NewDisposeScope();
            Tensor x = latents.cuda();
            CrossContext context = model.PrepareContext(text.cuda());
            // Queued without a wait in between, as the steps of a generation are.
            for (int i = 0; i < 3; i++) x = model.Forward(x, full([1], 900.0 - 300 * i, ScalarType.Float32, x.device), context);
            return x.cpu().MoveToOuterDisposeScope();
        }
    }

    [Fact]
    public void A_swapped_model_takes_the_memory_of_two_blocks()
    {
        RequiredGpu.Check();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        // 40 blocks of 67 MB: 2.7 GB in host memory, 0.13 GB on the GPU.
        var config = new WanConfig(2048, 8192, 16, 40, textDim: 256, freqDim: 256);
        long block = WanModel.BlockBytes(config, AttentionOptions.Dense, WeightFormat.Int8, ScalarType.BFloat16);
        // Beside the slots, what one tensor takes while it is made, and what libtorch's libraries keep.
        long budget = 2 * block + (3L << 29);
        Assert.True(budget < 40 * block);
        using var shape = new WanModel(config, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
        using var random = new RandomCheckpoint(shape, 3, metadata: WanCheckpoint.Metadata(config)) { Device = Cuda.Device };
        DeviceMemory.Release(Cuda.Device);
        using var cap = GpuMemoryCap.LeaveFree(Cuda.Device, budget);
        using WanModel model = WanCheckpoint.Load(random, AttentionOptions.Dense, WeightFormat.Int8,
            Cuda with { Dtype = ScalarType.BFloat16 }, swapsBlocks: true);
        using CrossContext context = model.PrepareContext(randn([1, 64, 256], generator: _random).cuda());
        for (int step = 0; step < 2; step++)
            Assert.True(model.Forward(randn([1, 16, 5, 32, 32], generator: _random).cuda(),
                full([1], 500.0, ScalarType.Float32, Cuda.Device), context).isfinite().all().item<bool>());
    }

    [Fact]
    public void The_VAE_agrees_with_the_CPU()
    {
        RequiredGpu.Check();
        using var scope = NewDisposeScope();
        Tensor video = randn([1, 3, 5, 32, 48], generator: new Generator(3)).clamp(-1, 1);
        (Tensor Latents, Tensor Video) Run(Placement placement)
        {
            using var vae = new WanVae(VaeConfig.WithDim(8), placement);
            StrictLoader.Load(vae, new RandomCheckpoint(vae, 4));
            Tensor latents = vae.Encode(video.to(placement.Device), TestContext.Current.CancellationToken);
            return (latents, vae.Decode(latents, TestContext.Current.CancellationToken));
        }

        (Tensor latents, Tensor decoded) = Run(Placement.Cpu);
        (Tensor gpuLatents, Tensor gpuDecoded) = Run(Cuda);
        Comparison.RelativeL2(latents, gpuLatents, 5e-3, "latents");
        Comparison.RelativeL2(decoded, gpuDecoded, 5e-3, "video");
    }

    // In bfloat16, with kernels and convolutions over windows of frames: no further from float32 than the plain form in bfloat16.
    [Theory]
    [InlineData(16, 1)]
    [InlineData(16, 4)]
    [InlineData(96, 3)]
    public void The_vae_in_kernels_is_as_close_to_float32_as_the_plain_form(int dim, int latentFrames)
    {
        RequiredGpu.Check();
        using var scope = NewDisposeScope();
        Tensor latents = randn([1, 16, latentFrames, 12, 16], generator: new Generator(3)),
            video = randn([1, 3, 1 + 4 * (latentFrames - 1), 96, 128], generator: new Generator(4)).clamp(-1, 1);
        (Tensor Latents, Tensor Video) Run(ScalarType dtype, params KernelOperator[] operators) =>
            RunWithin(WanVae.UsualDecodeBudget, dtype, operators);
        (Tensor Latents, Tensor Video) RunWithin(long budget, ScalarType dtype, KernelOperator[] operators)
        {
            using var vae = new WanVae(VaeConfig.WithDim(dim), Cuda with { Dtype = dtype }) { DecodeBudget = budget };
            StrictLoader.Load(vae, new RandomCheckpoint(vae, 4));
            using IDisposable kernels = KernelSwitch.Use(operators);
            return (vae.Encode(video.to(Cuda.Device)).cpu(), vae.Decode(latents.to(Cuda.Device)).cpu());
        }

        (Tensor exactLatents, Tensor exactVideo) = Run(ScalarType.Float32);
        (Tensor plainLatents, Tensor plainVideo) = Run(ScalarType.BFloat16);
        (Tensor windowLatents, Tensor windowVideo) = Run(ScalarType.BFloat16, KernelOperator.CausalRmsSilu, KernelOperator.BiasResidual,
            KernelOperator.UpsampleConvolution);
        (Tensor frameLatents, Tensor frameVideo) = Run(ScalarType.BFloat16, KernelOperator.CausalRmsSilu, KernelOperator.BiasResidual,
            KernelOperator.UpsampleConvolution, KernelOperator.CausalConvolution);
        (Tensor fastLatents, Tensor fastVideo) = Run(ScalarType.BFloat16, Enum.GetValues<KernelOperator>());
        // With no memory to spare, in strips, one after the other.
        (_, Tensor stripVideo) = RunWithin(0, ScalarType.BFloat16, Enum.GetValues<KernelOperator>());
        double latentError = Comparison.RelativeL2(exactLatents, plainLatents, 0.1, "plain latents"),
            videoError = Comparison.RelativeL2(exactVideo, plainVideo, 0.1, "plain video");
        foreach ((string name, Tensor ofLatents, Tensor ofVideo) in new[]
                 {
                     ("windows", windowLatents, windowVideo), ("frames", frameLatents, frameVideo), ("all kernels", fastLatents, fastVideo),
                     ("all kernels, strips", fastLatents, stripVideo),
                 })
        {
            Comparison.RelativeL2(exactLatents, ofLatents, 1.1 * latentError + 1e-3, $"latents, {name}");
            Comparison.RelativeL2(exactVideo, ofVideo, 1.1 * videoError + 1e-3, $"video, {name}");
        }
        Assert.False(plainVideo.equal(fastVideo).all().item<bool>());
    }

    [Theory]
    [InlineData(ScalarType.Float32, 0.02)]
    [InlineData(ScalarType.BFloat16, 0.2)]
    public void One_seed_gives_one_video_on_both(ScalarType dtype, double limit)
    {
        RequiredGpu.Check();
        using var scope = NewDisposeScope();
        Tensor Frames(string device, ScalarType type)
        {
            using VideoModel model = VideoModel.Open(models.TextToVideo,
                new VideoModelOptions { Device = device, Dtype = type, Attention = AttentionKind.Dense });
            using var pipeline = new WanPipeline(model.Components);
            var collected = new FrameCollector();
            pipeline.Run(new PipelineRequest
            {
                Prompt = "a red circle", Width = 64, Height = 48, Frames = 9, Seed = 7, Sampler = model.Spec.Sampling.Of(SamplerKind.Rcm),
            }, collected, cancellationToken: TestContext.Current.CancellationToken);
            return cat(collected.Chunks, dim: 2);
        }

        Comparison.RelativeL2(Frames("cpu", ScalarType.Float32), Frames("cuda", dtype), limit, $"video in {dtype}");
    }

    /// <summary>Small models of every architecture, image encoder and VAE included, and with a LoRA: whole generations.</summary>
    [Theory]
    [InlineData("Wan2.1-T2V-1.3B", WeightFormat.Float, false)]
    [InlineData("Wan2.1-T2V-1.3B", WeightFormat.Float, true)]
    [InlineData("Wan2.1-T2V-1.3B", WeightFormat.Int8, true)]
    [InlineData("Wan2.2-T2V-A14B", WeightFormat.Float, true)]
    [InlineData("Wan2.2-I2V-A14B", WeightFormat.Float, false)]
    [InlineData("Wan2.1-I2V-14B-480P", WeightFormat.Float, false)]
    [InlineData("Wan2.1-I2V-14B-480P", WeightFormat.Int8, true)]
    [InlineData("Wan2.1-FLF2V-14B-720P", WeightFormat.Float, false)]
    [InlineData("Wan2.2-TI2V-5B", WeightFormat.Float, false)]
    [InlineData("Wan2.2-TI2V-5B", WeightFormat.Int8, true)]
    public void Every_architecture_gives_one_video_on_both(string like, WeightFormat weights, bool lora)
    {
        RequiredGpu.Check();
        using var scope = NewDisposeScope();
        ModelSpec spec = ModelSpec.Find(like);
        ModelFiles files = new SmallModel { Like = spec }.Write(models.NewFolder(), TestContext.Current.CancellationToken);
        LoraOptions[] loras = [];
        if (lora)
        {
            string file = Path.Combine(models.NewFolder(), "lora.safetensors");
            SafetensorsWriter.Write(file,
            [
                TensorSource.From("diffusion_model.blocks.0.ffn.0.lora_down.weight", randn(4, 128, generator: new Generator(1)) * 0.1),
                TensorSource.From("diffusion_model.blocks.0.ffn.0.lora_up.weight", randn(256, 4, generator: new Generator(2)) * 0.1),
            ]);
            loras = [new LoraOptions(file)];
        }
        ReadOnlyMemory<byte>? image = spec.Transformer.TakesImage ? (ReadOnlyMemory<byte>?)VideoModelTests.TestImage(64, 64) : null;
        Tensor Frames(string device)
        {
            using VideoModel model = VideoModel.Open(files, new VideoModelOptions
            {
                Device = device, Dtype = ScalarType.Float32, Attention = AttentionKind.Dense, Weights = weights, Loras = loras,
            });
            VideoRequest request = models.Request() with
            {
                Size = new(64, 64), Steps = 2, StartImage = image, EndImage = spec.Transformer.NeedsEndImage ? image : null,
                // A folder of PNG needs no ffmpeg.
                OutputPath = models.NewFolder() + "/", Output = new() { Overwrite = true },
            };
            using var pipeline = new WanPipeline(model.Components);
            var collected = new FrameCollector();
            pipeline.Run(model.Check(request), collected, cancellationToken: TestContext.Current.CancellationToken);
            Tensor video = cat(collected.Chunks, dim: 2);
            // What is written is the same, but for a level where two runs round to either side.
            var written = new LevelCollector();
            model.Generate(request, null, written, TestContext.Current.CancellationToken);
            Comparison.Elementwise(VideoFrames.FromModelOutput(video.squeeze(0)).to(ScalarType.Float32),
                cat(written.Chunks, dim: 0).to(ScalarType.Float32), 0, 1.1, $"levels on {device}");
            return video;
        }

        // Int8 may round a value to another step on the way.
        Comparison.RelativeL2(Frames("cpu"), Frames("cuda"), weights == WeightFormat.Int8 ? 0.1 : 0.02, like);
    }

    [Fact]
    public void Random_weights_of_one_seed_are_the_same_at_every_reading()
    {
        RequiredGpu.Check();
        using var scope = NewDisposeScope();
        using var shape = new WanVae(VaeConfig.WithDim(8), Placement.Meta);
        using RandomCheckpoint first = new(shape, 3) { Device = Cuda.Device }, second = new(shape, 3) { Device = Cuda.Device };
        const string Name = "decoder.middle.0.residual.2.weight";
        Tensor weights = first.Read(Name), others = first.Read("decoder.middle.2.residual.2.weight");
        Comparison.Exact(weights, first.Read(Name), "read again");
        _ = randn(1000, device: Cuda.Device);
        Comparison.Exact(weights, second.Read(Name), "of another checkpoint, after other draws");
        Assert.False(weights.equal(others).all().item<bool>());
    }

    [Fact]
    public void The_free_memory_of_the_GPU_is_known()
    {
        RequiredGpu.Check();
        Assert.InRange(DeviceMemory.Available(Devices.Parse("cuda")), 1L << 28, 1L << 40);
    }

    [Fact]
    public void A_GPU_that_is_not_there_is_refused()
    {
        RequiredGpu.Check();
        Assert.Equal("cuda", Assert.Throws<EnvironmentException>(() => Devices.Parse("cuda:99")).Dependency);
    }

    private static Placement Cuda => new(Devices.Parse("cuda"), ScalarType.Float32);

    private static AttentionOperator Filled(AttentionOperator attention)
    {
        using var noGradient = no_grad();
        foreach ((string name, var parameter) in attention.named_parameters())
            parameter.copy_(randn(parameter.shape, generator: new Generator((ulong)name.Length)) * 0.1);
        return attention;
    }

    private sealed class LevelCollector : IVideoObserver
    {
        public List<Tensor> Chunks { get; } = [];

        public void Write(Tensor levels) => Chunks.Add(levels.clone().DetachFromDisposeScope());
    }

    private sealed class FrameCollector : IVideoReceiver
    {
        public List<Tensor> Chunks { get; } = [];

        public void Begin(int video, ulong seed)
        {
        }

        public void Write(Tensor frames) => Chunks.Add(frames.to(ScalarType.Float32).cpu().clone().DetachFromDisposeScope());

        public void End()
        {
        }
    }
}
