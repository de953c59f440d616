using System.Diagnostics;
using System.Globalization;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.TinyVae;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Operators;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

/// <summary>Times of the published VAE on a GPU, by events: whole videos of 81 frames, and the layers at their sizes.</summary>
[Trait("Category", "Gpu")]
public class VaeTimings
{
    private const int LatentFrames = 21, Frames = 81;

    private readonly Device _device = KernelConformance.RequireGpu();

    [Theory]
    [InlineData(480, 832)]
    [InlineData(720, 1280)]
    public void Videos(int height, int width)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        const KernelOperator norm = KernelOperator.CausalRmsSilu, sum = KernelOperator.BiasResidual,
            upsample = KernelOperator.UpsampleConvolution, convolution = KernelOperator.CausalConvolution, head = KernelOperator.CausalHead;
        using var vae = new WanVae(VaeConfig.Wan21, new Placement(_device, ScalarType.BFloat16)) { DecodeBudget = long.MaxValue };
        StrictLoader.Load(vae, new RandomCheckpoint(vae, 1) { Device = _device });
        Tensor latents = randn([1, 16, LatentFrames, height / 8, width / 8], device: _device);
        Tensor video = randn([1, 3, Frames, height, width], ScalarType.BFloat16, _device);
        foreach (KernelOperator[] operators in (KernelOperator[][])
            [[], [norm, sum], [norm, sum, upsample], [norm, sum, upsample, convolution], [norm, sum, upsample, convolution, head]])
        {
            string form = operators.Length == 0 ? "plain" : string.Join(" + ", operators);
            using IDisposable kernels = KernelSwitch.Use(operators);
            Decode(vae, latents, form);
            Video($"encode {width}x{height}, {Frames} frames, {form}", () => vae.Encode(video).Dispose());
        }
    }

    /// <summary>Frames at full resolution that go together: time and memory, and what is planned.</summary>
    [Theory]
    [InlineData(480, 832)]
    [InlineData(720, 1280)]
    public void Together(int height, int width)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using IDisposable kernels = KernelSwitch.Use(Enum.GetValues<KernelOperator>());
        Tensor latents = randn([1, 16, LatentFrames, height / 8, width / 8], device: _device);
        foreach (int frames in new[] { 4, 2, 1 })
        {
            DecodePlan plan = DecodePlan.Of(VaeConfig.Wan21, (LatentFrames, height / 8, width / 8), 2, frames, 1, false,
                onGpu: true, inFrames: true);
            using var vae = new WanVae(VaeConfig.Wan21, new Placement(_device, ScalarType.BFloat16)) { FixedPlan = plan };
            StrictLoader.Load(vae, new RandomCheckpoint(vae, 1) { Device = _device });
            Decode(vae, latents, plan.ToString());
        }
    }

    [Theory]
    [InlineData(480, 832, WanVae.UsualDecodeBudget)]
    [InlineData(720, 1280, WanVae.UsualDecodeBudget)]
    [InlineData(480, 832, WanVae.LowDecodeBudget)]
    [InlineData(720, 1280, WanVae.LowDecodeBudget)]
    public void Budgets(int height, int width, long budget)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using IDisposable kernels = KernelSwitch.Use(Enum.GetValues<KernelOperator>());
        using var vae = new WanVae(VaeConfig.Wan21, new Placement(_device, ScalarType.BFloat16)) { DecodeBudget = budget };
        StrictLoader.Load(vae, new RandomCheckpoint(vae, 1) { Device = _device });
        DecodePlan plan = DecodePlan.Within(
            VaeConfig.Wan21, (LatentFrames, height / 8, width / 8), 2, budget, onGpu: true, inFrames: true);
        Decode(vae, randn([1, 16, LatentFrames, height / 8, width / 8], device: _device), plan.ToString());
    }

    [Theory]
    [InlineData(480, 832)]
    [InlineData(720, 1280)]
    public void Tiny(int height, int width)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using TinyVideoAutoencoder vae = TinyVaeGpuTests.Random(TinyVaeConfig.Wan21, ScalarType.BFloat16, _device);
        Tensor latents = randn([1, 16, LatentFrames, height / 8, width / 8], device: _device);
        Tensor video = randn([1, 3, Frames, height, width], ScalarType.BFloat16, _device);
        foreach (KernelOperator[] operators in (KernelOperator[][])[[], Enum.GetValues<KernelOperator>()])
        {
            using IDisposable kernels = KernelSwitch.Use(operators);
            Decode(vae, latents, operators.Length == 0 ? "tiny, plain" : "tiny, kernels");
        }
        Video($"encode {width}x{height}, {Frames} frames, tiny", () => vae.Encode(video).Dispose());
    }

    private void Decode(IVideoAutoencoder vae, Tensor latents, string form)
    {
        DeviceMemory.Release(_device);
        long before = DeviceMemory.OfGpu(0).Free;
        Video($"decode {latents.shape[4] * 8}x{latents.shape[3] * 8}, {Frames} frames, {form}", () =>
        {
            foreach (Tensor chunk in vae.DecodeChunks(latents)) chunk.Dispose();
        });
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"VAE |   {(before - DeviceMemory.OfGpu(0).Free) / 1e9:0.00} GB more than before"));
    }

    // With the time that it takes the CPU to queue it: where that is all of it, the GPU waits for the CPU.
    private void Video(string what, Action run)
    {
        double ms = CudaTimer.Median(_device, run, warmUp: 1, repeats: 3);
        cuda.synchronize();
        var queueing = Stopwatch.StartNew();
        run();
        double queued = queueing.Elapsed.TotalMilliseconds;
        cuda.synchronize();
        Print(what, ms, string.Create(CultureInfo.InvariantCulture, $"queued in {queued:0} ms"));
    }

    [Theory]
    [InlineData(96, 480, 832)]
    [InlineData(192, 240, 416)]
    [InlineData(384, 240, 416)]
    [InlineData(384, 120, 208)]
    [InlineData(384, 60, 104)]
    public void Layers(int channels, int height, int width)
    {
        const int frames = 4;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var placement = new Placement(_device, ScalarType.BFloat16);
        using var norm = new ChannelRmsNorm(channels, 3, placement);
        using var convolution = new CausalConv3d(channels, channels, 3, 3, placement);
        foreach (Tensor parameter in norm.parameters().Concat(convolution.parameters())) parameter.normal_(0, 0.02);
        string size = $"{channels} channels, {frames} frames of {width}x{height}";
        double operations = 2.0 * 27 * channels * channels * frames * height * width;
        Tensor x = randn([frames, height, width, channels], ScalarType.BFloat16, _device), video = x.permute(3, 0, 1, 2).unsqueeze(0);
        Tensor gamma = norm.Factors, past = randn([2, height, width, channels], ScalarType.BFloat16, _device);
        Print($"norm, SiLU, windows: {size}", CudaTimer.Median(_device, () => _ = CausalRmsSiluKernel.Run(x, gamma, null, past)),
            $"{(2 + 6 + 2.0) * x.numel() / 1e9:0.0} GB");
        Tensor windows = randn([frames, height, width, 3 * channels], ScalarType.BFloat16, _device).permute(0, 3, 1, 2);
        Tensor weight = randn([channels, 3, 3, 3 * channels], ScalarType.BFloat16, _device).permute(0, 3, 1, 2),
            bias = randn(channels, ScalarType.BFloat16, _device);
        double ms = CudaTimer.Median(_device, () => nn.functional.conv2d(windows, weight, null, [1, 1], [1, 1]).Dispose());
        Print($"convolution of windows: {size}", ms, $"{operations / ms / 1e9:0} TFLOP/s");
        Print("  with a bias", CudaTimer.Median(_device, () => nn.functional.conv2d(windows, weight, bias, [1, 1], [1, 1]).Dispose()), "");
        if (CausalConvolution.Choose(KernelMachine.Best(0), new(frames, height, width, channels, channels, 3, 3, x.dtype)).IsKernel)
        {
            Tensor[] six = [.. past.unbind(0), .. RmsSiluKernel.Run(x, gamma)];
            Tensor packed = CausalConvolution.Pack(convolution.get_parameter("weight")!), wide = bias.to_type(ScalarType.Float32);
            Print("  norm, SiLU of frames", CudaTimer.Median(_device, () =>
            {
                foreach (Tensor frame in RmsSiluKernel.Run(x, gamma)) frame.Dispose();
            }), $"{4.0 * x.numel() / 1e9:0.0} GB");
            foreach (Tensor? residual in new Tensor?[] { null, x })
                foreach (Sm90CausalConvolutionKernel.Tuning tuning in Sm90CausalConvolutionKernel.Tuning.All(
                             new(new(frames, height, width, channels, channels, 3, 3, x.dtype), 1, residual is not null)))
                {
                    ms = CudaTimer.Median(_device,
                        () => Sm90CausalConvolutionKernel.Run(six, frames, packed, new(wide, residual), tuning).Dispose());
                    Print($"  own convolution of frames, {tuning}{(residual is null ? "" : ", residual")}", ms,
                        $"{operations / ms / 1e9:0} TFLOP/s");
                }
        }
        Print("  sum with the residual", CudaTimer.Median(_device, () => (video + video).Dispose()), "");
        using var cache = new CausalCache();
        Print("  norm, SiLU, convolution",
            CudaTimer.Median(_device, () => convolution.AfterNormInWindows(norm, video, cache).Dispose()), "");
        using var plain = new CausalCache();
        Tensor planes = video.contiguous();
        Print("  norm, SiLU, convolution over time", CudaTimer.Median(_device, () =>
        {
            using Tensor activated = nn.functional.silu(norm.forward(planes));
            convolution.forward(activated, plain).Dispose();
        }), "");
        Tensor frame = x.permute(0, 3, 1, 2), half = randn([channels / 2, channels, 3, 3], ScalarType.BFloat16, _device),
            halfBias = randn(channels / 2, ScalarType.BFloat16, _device), folded = UpsampleConvolution.Fold(half);
        Print("  nearest x2", CudaTimer.Median(_device,
            () => nn.functional.interpolate(frame, scale_factor: [2, 2], mode: InterpolationMode.Nearest).Dispose()), "");
        Print("  nearest x2 and convolution to half the channels",
            CudaTimer.Median(_device, () => UpsampleConvolution.RunPlain(frame, half, halfBias).Dispose()), "");
        Print("  the same, folded", CudaTimer.Median(_device, () => UpsampleConvolution.RunFolded(frame, folded, halfBias).Dispose()), "");
        if (UpsampleConvolution.Choose(frame, channels / 2).Form != KernelForm.Sm90) return;
        Tensor four = UpsampleConvolution.Pack(half), halfWide = halfBias.to_type(ScalarType.Float32);
        foreach (Sm90CausalConvolutionKernel.Tuning tuning in Sm90CausalConvolutionKernel.Tuning.All(
                     new(new(frames, height, width, channels, channels / 2, 1, 2, x.dtype), 4, false)))
            Print($"  the same, own kernel, {tuning}", CudaTimer.Median(_device,
                () => Sm90CausalConvolutionKernel.RunEnlarged(x.unbind(0), four, halfWide, tuning).Dispose()), "");
    }

    /// <summary>
    /// Where a video's time goes: every kind of layer on a chunk at its size, times its number in the clip; parts of a layer are
    /// indented, and not in the sum.
    /// </summary>
    [Theory]
    [InlineData(480, 832)]
    [InlineData(720, 1280)]
    public void Profile(int height, int width)
    {
        const int chunks = LatentFrames;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using IDisposable kernels = KernelSwitch.Use(Enum.GetValues<KernelOperator>());
        var placement = new Placement(_device, ScalarType.BFloat16);
        double sum = 0;

        // Frames of a chunk after the first, at the resolution divided by a divisor.
        Tensor Chunk(long channels, int frames, int divisor) =>
            randn([frames, height / divisor, width / divisor, channels], ScalarType.BFloat16, _device).permute(3, 0, 1, 2).unsqueeze(0);

        void Time(string kind, VaeLayer layer, Tensor chunk, int count)
        {
            using (layer)
            {
                foreach (Tensor parameter in layer.parameters()) parameter.normal_(0, 0.02);
                using var cache = new CausalCache();
                // A clip's first chunk is another: of the layers that double time, one frame passes through.
                layer.forward(chunk.narrow(2, 0, 1), cache).Dispose();
                double ms = CudaTimer.Median(_device, () => layer.forward(chunk, cache).Dispose());
                if (!kind.StartsWith(' ')) sum += ms * count;
                Print($"profile {width}x{height}, {kind}, {string.Join('x', chunk.shape[1..])}", ms,
                    string.Create(CultureInfo.InvariantCulture, $"{count} of a clip: {ms * count:0.0} ms"));
            }
        }

        void Convolution(string kind, long inputs, long outputs, int kernelFrames, int kernel, int frames, int divisor, int count) =>
            Time(kind, new CausalConv3d(inputs, outputs, kernelFrames, kernel, placement), Chunk(inputs, frames, divisor), count);

        void Norm(long channels, int frames, int divisor, int count)
        {
            Tensor x = CausalConv3d.ChannelsLast(Chunk(channels, frames, divisor)), gamma = ones(channels, device: _device);
            double ms = CudaTimer.Median(_device, () =>
            {
                foreach (Tensor frame in RmsSilu.Run(x, gamma)) frame.Dispose();
            });
            Print($"profile {width}x{height},   norm and SiLU, {channels}x{frames}, 1/{divisor}", ms,
                string.Create(CultureInfo.InvariantCulture, $"{count} of a clip: {ms * count:0.0} ms"));
        }

        Convolution("decode: first convolution", 16, 384, 3, 3, 1, 8, chunks);
        Time("decode: residual block", new ResidualBlock(384, 384, placement), Chunk(384, 1, 8), 5 * chunks);
        Norm(384, 1, 8, 10 * chunks);
        Convolution("  convolution", 384, 384, 3, 3, 1, 8, 10 * chunks);
        Time("decode: attention", new SpatialAttention(384, placement), Chunk(384, 1, 8), chunks);
        Time("decode: upsampling, with time", new Upsample(384, 192, true, placement), Chunk(384, 1, 8), chunks);
        Convolution("  time_conv", 384, 768, 3, 1, 1, 8, chunks);
        Time("decode: residual block", new ResidualBlock(192, 384, placement), Chunk(192, 2, 4), chunks);
        Convolution("  shortcut", 192, 384, 1, 1, 2, 4, chunks);
        Time("decode: residual block", new ResidualBlock(384, 384, placement), Chunk(384, 2, 4), 2 * chunks);
        Norm(384, 2, 4, 5 * chunks);
        Convolution("  convolution", 384, 384, 3, 3, 2, 4, 5 * chunks);
        Time("decode: upsampling, with time", new Upsample(384, 192, true, placement), Chunk(384, 2, 4), chunks);
        Convolution("  time_conv", 384, 768, 3, 1, 2, 4, chunks);
        Time("decode: residual block", new ResidualBlock(192, 192, placement), Chunk(192, 4, 2), 3 * chunks);
        Norm(192, 4, 2, 6 * chunks);
        Convolution("  convolution", 192, 192, 3, 3, 4, 2, 6 * chunks);
        Time("decode: upsampling", new Upsample(192, 96, false, placement), Chunk(192, 4, 2), chunks);
        Time("decode: residual block", new ResidualBlock(96, 96, placement), Chunk(96, 4, 1), 3 * chunks);
        Norm(96, 4, 1, 6 * chunks);
        Convolution("  convolution", 96, 96, 3, 3, 4, 1, 6 * chunks);
        Time("decode: head", new VaeHead(96, 3, placement), Chunk(96, 4, 1), chunks);
        Print($"profile {width}x{height}, decode: sum", sum, "");
        sum = 0;
        Convolution("encode: first convolution", 3, 96, 3, 3, 4, 1, chunks);
        Time("encode: residual block", new ResidualBlock(96, 96, placement), Chunk(96, 4, 1), 2 * chunks);
        Norm(96, 4, 1, 4 * chunks);
        Convolution("  convolution", 96, 96, 3, 3, 4, 1, 4 * chunks);
        Time("encode: downsampling", new Downsample(96, false, placement), Chunk(96, 4, 1), chunks);
        Time("encode: residual block", new ResidualBlock(96, 192, placement), Chunk(96, 4, 2), chunks);
        Convolution("  shortcut", 96, 192, 1, 1, 4, 2, chunks);
        Time("encode: residual block", new ResidualBlock(192, 192, placement), Chunk(192, 4, 2), chunks);
        Convolution("  convolution", 192, 192, 3, 3, 4, 2, 3 * chunks);
        Time("encode: downsampling, with time", new Downsample(192, true, placement), Chunk(192, 4, 2), chunks);
        Time("encode: residual block", new ResidualBlock(192, 384, placement), Chunk(192, 2, 4), chunks);
        Convolution("  shortcut", 192, 384, 1, 1, 2, 4, chunks);
        Time("encode: residual block", new ResidualBlock(384, 384, placement), Chunk(384, 2, 4), chunks);
        Time("encode: downsampling, with time", new Downsample(384, true, placement), Chunk(384, 2, 4), chunks);
        Time("encode: residual block", new ResidualBlock(384, 384, placement), Chunk(384, 1, 8), 4 * chunks);
        Time("encode: attention", new SpatialAttention(384, placement), Chunk(384, 1, 8), chunks);
        Time("encode: head", new VaeHead(384, 32, placement), Chunk(384, 1, 8), chunks);
        Print($"profile {width}x{height}, encode: sum", sum, "");
    }

    private static void Print(string what, double ms, string more) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"VAE | {what} | {ms:0.000} ms | {more}"));
}
