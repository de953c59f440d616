using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Golden;
using TurboDiffusion.Tests.Operators;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

public class VaeTests
{
    private readonly Generator _random = new(1);

    private const double RTol = 1e-4, ATol = 1e-5;

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(9)]
    [InlineData(17)]
    public void Encoding_in_chunks_equals_encoding_whole(long frames)
    {
        using var scope = NewDisposeScope();
        using WanVae vae = Small();
        Tensor video = _random.Normal(2, 3, frames, 16, 24);
        Tensor whole = vae.EncodeWhole(video);
        Assert.Equal([2, 16, 1 + (frames - 1) / 4, 2, 3], whole.shape);
        Comparison.Elementwise(whole, vae.Encode(video), RTol, ATol, "latents");
        // One video goes another way, its frames as channels.
        Comparison.Elementwise(whole.narrow(0, 1, 1), vae.Encode(video.narrow(0, 1, 1)), RTol, ATol, "one video");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void Decoding_in_chunks_equals_decoding_whole(long latentFrames)
    {
        using var scope = NewDisposeScope();
        using WanVae vae = Small();
        Tensor latents = _random.Normal(2, 16, latentFrames, 2, 3);
        Tensor whole = vae.DecodeWhole(latents);
        Assert.Equal([2, 3, 1 + 4 * (latentFrames - 1), 16, 24], whole.shape);
        Comparison.Elementwise(whole, vae.Decode(latents), RTol, ATol, "video");
        // One video goes another way, its frames as channels.
        Comparison.Elementwise(whole.narrow(0, 1, 1), vae.Decode(latents.narrow(0, 1, 1)), RTol, ATol, "one video");
        Assert.Equal([1, .. Enumerable.Repeat(4L, (int)latentFrames - 1)], vae.DecodeChunks(latents).Select(c => c.shape[2]));
    }

    // As on a CPU that multiplies bfloat16.
    [Fact]
    public void In_bfloat16_clips_are_those_of_float32_and_the_same_each_time()
    {
        using var scope = NewDisposeScope();
        using WanVae exact = Small(), vae = Small(dtype: ScalarType.BFloat16);
        Tensor latents = _random.Normal(2, 16, 3, 5, 6), video = _random.Normal(2, 3, 9, 40, 48);
        Tensor decoded = vae.Decode(latents), encoded = vae.Encode(video);
        Assert.Equal(ScalarType.BFloat16, decoded.dtype);
        Comparison.RelativeL2(exact.Decode(latents), decoded, 0.04, "video");
        Comparison.RelativeL2(exact.Encode(video), encoded, 0.04, "latents");
        for (int i = 0; i < 3; i++)
        {
            KernelConformance.PoisonMemory(CPU);
            Comparison.Exact(decoded, vae.Decode(latents), "video");
            Comparison.Exact(encoded, vae.Encode(video), "latents");
        }
    }

    [Fact]
    public void A_convolution_over_windows_of_three_frames_is_that_over_time()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var norm = new ChannelRmsNorm(16, 3, Placement.Cpu);
        using var convolution = new CausalConv3d(16, 24, 3, 3, Placement.Cpu);
        ulong seed = 0;
        foreach (Tensor parameter in norm.parameters().Concat(convolution.parameters()))
            parameter.copy_(randn(parameter.shape, generator: new Generator(++seed)));
        using var plain = new CausalCache();
        using var windows = new CausalCache();
        foreach (long frames in new[] { 1, 4, 2, 1 })
        {
            Tensor chunk = randn([1, 16, frames, 6, 10], generator: new Generator(++seed));
            Comparison.Elementwise(convolution.forward(nn.functional.silu(norm.forward(chunk)), plain),
                convolution.AfterNormInWindows(norm, chunk, windows), RTol, 1e-4, $"chunk of {frames}");
        }
    }

    [Theory]
    [InlineData(3, 3)]
    [InlineData(3, 1)]
    [InlineData(1, 1)]
    public void A_convolution_frame_by_frame_is_that_over_time(long kernelFrames, long kernelSize)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var convolution = new CausalConv3d(3, 34, kernelFrames, kernelSize, Placement.Cpu);
        ulong seed = 0;
        foreach (Tensor parameter in convolution.parameters())
            parameter.copy_(randn(parameter.shape, generator: new Generator(++seed)));
        using CausalCache plain = new(), frameByFrame = new();
        Assert.False(frameByFrame.HasBegun(convolution));
        foreach (long frames in new[] { 0, 1, 4, 2, 1 })
        {
            Tensor chunk = randn([1, 3, frames, 6, 10], generator: new Generator(++seed));
            Tensor actual = convolution.InFrames(chunk, frameByFrame);
            Assert.True(frameByFrame.HasBegun(convolution));
            Comparison.Elementwise(convolution.forward(chunk, plain), actual, RTol, 1e-4, $"chunk of {frames}");
        }
    }

    [Fact]
    public void A_convolution_that_halves_time_frame_by_frame_is_that_over_time()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var convolution = new CausalConv3d(3, 34, 3, 1, Placement.Cpu, strideFrames: 2, valid: true);
        ulong seed = 0;
        foreach (Tensor parameter in convolution.parameters())
            parameter.copy_(randn(parameter.shape, generator: new Generator(++seed)));
        using CausalCache plain = new(), frameByFrame = new();
        foreach (long frames in new[] { 1, 4, 2, 4 })
        {
            Tensor chunk = randn([1, 3, frames, 6, 10], generator: new Generator(++seed));
            Comparison.Elementwise(convolution.forward(chunk, plain), convolution.InFrames(chunk, frameByFrame), RTol, 1e-4,
                $"chunk of {frames}");
        }
    }

    [Theory]
    [InlineData(5, 26, 3, false)]
    [InlineData(5, 26, 4, true)]
    [InlineData(19, 4, 2, false)]
    [InlineData(19, 4, 3, true)]
    public void Strips_put_together_are_the_whole(long height, long width, int tiles, bool tileByTile)
    {
        using var scope = NewDisposeScope();
        using WanVae vae = Small(new DecodePlan(1, tiles, tileByTile, 0));
        Tensor latents = _random.Normal(2, 16, 3, height, width);
        Tensor[] chunks = [.. vae.DecodeChunks(latents)];
        Assert.Equal([1, 4, 4], chunks.Select(c => c.shape[2]));
        // Strips have other memory strides, and sums another order.
        Comparison.Elementwise(vae.DecodeWhole(latents), cat(chunks, 2), RTol, 2 * ATol, "video");
        foreach (Tensor first in vae.DecodeChunks(latents).Take(1)) Comparison.Exact(chunks[0], first, "the first chunk alone");
    }

    // A seam shows where neighbouring columns differ by more, or by less, than they do in the whole: as halves do that were decoded by
    // themselves. In bfloat16, in which strips and the whole round in other places.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_picture_is_as_sharp_where_strips_meet_as_in_the_whole(bool tileByTile)
    {
        using var scope = NewDisposeScope();
        const int strips = 3, latentWidth = 24, cell = 8;
        using WanVae whole = Small(dtype: ScalarType.BFloat16),
            tiled = Small(new DecodePlan(1, strips, tileByTile, 0), ScalarType.BFloat16);
        Tensor latents = randn([1, 16, 2, 12, latentWidth], generator: new Generator(5)), video = whole.Decode(latents);
        Tensor halves = cat([.. latents.chunk(2, dim: 4).Select(half => whole.Decode(half))], dim: 4);
        long[] seams = [.. DecodeTile.Divide(12, latentWidth, strips).Skip(1).Select(tile => tile.Begin * cell)];
        Assert.All(seams, seam => Assert.InRange(Sharpness(tiled.Decode(latents), video, seam), 0.99, 1.01));
        Assert.NotInRange(Sharpness(halves, video, latentWidth / 2 * cell), 0.95, 1.05);

        // How much the two columns beside a seam differ, of the same in the whole.
        static double Sharpness(Tensor video, Tensor whole, long seam) => Difference(video, seam) / Difference(whole, seam);
        static double Difference(Tensor video, long seam) =>
            (video.narrow(4, seam, 1) - video.narrow(4, seam - 1, 1)).to_type(ScalarType.Float64).abs().mean().item<double>();
    }

    [Theory]
    [InlineData(0, 9)]
    [InlineData(3, 7)]
    public void The_past_that_is_kept_is_the_one_that_is_planned(long begin, long end)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using WanVae vae = Small();
        using var decoder = new VaeDecoder(vae.Config, Placement.Cpu);
        foreach (Tensor parameter in decoder.parameters()) parameter.fill_(0.01);
        using CausalCache whole = new(), strip = new();
        DecodeTile tile = new(4, begin, end);
        for (int chunk = 0; chunk < 3; chunk++)
            decoder.Enlarge(decoder.Middle(_random.Normal(1, 16, 1, 4, 9), whole, default), tile, 1, strip, default);
        Assert.Equal(sizeof(float) * DecodePlan.Past(vae.Config, (3, 4, 9), tile), strip.Bytes);
    }

    [Fact]
    public void Strips_cover_all_and_reach_as_far_as_their_layers()
    {
        IReadOnlyList<DecodeTile> tiles = DecodeTile.Divide(45, 80, 3);
        Assert.Equal([new(4, 0, 26), new(4, 26, 53), new(4, 53, 80)], tiles);
        Assert.Equal([(16, 63), (45, 113), (52, 106)], tiles[1].Needs(80, [(6, 2), (7, 1)]));
        Assert.Equal((0, 36), tiles[0].Needs(80, [(6, 2), (7, 1)])[0]);
    }

    // In windows, on a GPU before Hopper.
    [Theory]
    [InlineData(60, 104, WanVae.UsualDecodeBudget, false)]
    [InlineData(90, 160, WanVae.UsualDecodeBudget, false)]
    [InlineData(90, 160, WanVae.LowDecodeBudget, true)]
    public void Published_sizes_are_decoded_within_their_budgets(long height, long width, long budget, bool tileByTile)
    {
        DecodePlan plan = DecodePlan.Within(VaeConfig.Wan21, (21, height, width), 2, budget, onGpu: true, inFrames: false);
        Assert.InRange(plan.Peak, budget / 3, budget);
        Assert.Equal(tileByTile, plan.TileByTile);
    }

    // Where convolutions read frames where they lie, 720p fits whole.
    [Theory]
    [InlineData(60, 104, WanVae.UsualDecodeBudget, 4, 1, false)]
    [InlineData(90, 160, WanVae.UsualDecodeBudget, 1, 1, false)]
    [InlineData(60, 104, WanVae.LowDecodeBudget, 4, 1, false)]
    [InlineData(90, 160, WanVae.LowDecodeBudget, 1, 2, true)]
    public void Frames_that_are_not_windowed_take_less(long height, long width, long budget, int together, int tiles, bool tileByTile)
    {
        DecodePlan plan = DecodePlan.Within(VaeConfig.Wan21, (21, height, width), 2, budget, onGpu: true, inFrames: true);
        Assert.Equal((together, tiles, tileByTile), (plan.Frames, plan.Tiles, plan.TileByTile));
        Assert.InRange(plan.Peak, 0, budget);
    }

    // On an H200, by VaeTimings: what was free on the card before less what was free after.
    [Theory]
    [InlineData(60, 104, 4, 1, false, 3.53)]
    [InlineData(60, 104, 2, 1, false, 2.90)]
    [InlineData(60, 104, 1, 1, false, 2.63)]
    [InlineData(90, 160, 4, 1, false, 7.66)]
    [InlineData(90, 160, 2, 1, false, 6.41)]
    [InlineData(90, 160, 1, 1, false, 5.82)]
    [InlineData(90, 160, 1, 2, true, 3.81)]
    public void Planned_is_what_was_measured(long height, long width, int together, int tiles, bool tileByTile, double measuredGB)
    {
        DecodePlan plan = DecodePlan.Of(
            VaeConfig.Wan21, (21, height, width), 2, together, tiles, tileByTile, onGpu: true, inFrames: true);
        Assert.InRange(plan.Peak / (measuredGB * 1e9), 1, 1.1);
    }

    // Of narrow strips it is what takes most beside the past.
    [Fact]
    public void Attention_among_many_pixels_is_planned()
    {
        const int size = 2, tiles = 8;
        (long, long Height, long Width) latents = (21, 90, 160);
        long scores = size * WideAttention.LivingScores(latents.Height * latents.Width, size);
        // A part is at most 256 MiB, and there are two.
        Assert.InRange(scores, 2 * 250L << 20, 2 * 256L << 20);
        long past = size * DecodeTile.Divide(latents.Height, latents.Width, tiles)
            .Sum(tile => DecodePlan.Past(VaeConfig.Wan21, latents, tile));
        DecodePlan plan = DecodePlan.Of(VaeConfig.Wan21, latents, size, 1, tiles, false, onGpu: false, inFrames: false);
        Assert.InRange(plan.Peak, past + scores, past + 2 * scores);
        Assert.Equal(2 * 300 * 300, WideAttention.LivingScores(300, size));
    }

    // The flow of frames, past ones included, that the kernels have on a GPU.
    [Theory]
    [InlineData(16, 24)]
    [InlineData(24, 24)]
    public void A_residual_branch_frame_by_frame_is_that_over_time(long channels, long outChannels)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var branch = new ResidualBranch(channels, outChannels, Placement.Cpu);
        ulong seed = 0;
        foreach (Tensor parameter in branch.parameters())
            parameter.copy_(randn(parameter.shape, generator: new Generator(++seed)) * (parameter.dim() > 1 ? 0.2 : 1));
        using var plain = new CausalCache();
        using var frames = new CausalCache();
        using (var chunks = NewDisposeScope())
            foreach (long count in new[] { 1, 4, 1, 1, 9, 2 })
            {
                Tensor chunk = randn([1, channels, count, 6, 10], generator: new Generator(++seed)),
                    skip = randn([1, outChannels, count, 6, 10], generator: new Generator(++seed));
                Comparison.Elementwise(branch.forward(chunk, plain) + skip,
                    branch.AddInFrames(chunk, skip, frames), RTol, 1e-4, $"chunk of {count}");
            }
    }

    [Fact]
    public void Interleaved_decodes_do_not_disturb_one_another()
    {
        using var scope = NewDisposeScope();
        using WanVae vae = Small();
        Tensor a = _random.Normal(1, 16, 3, 2, 2), b = _random.Normal(1, 16, 3, 2, 2);
        (Tensor First, Tensor Second)[] pairs = [.. vae.DecodeChunks(a).Zip(vae.DecodeChunks(b))];
        Comparison.Elementwise(vae.DecodeWhole(a), cat([.. pairs.Select(p => p.First)], 2), RTol, ATol, "first video");
        Comparison.Elementwise(vae.DecodeWhole(b), cat([.. pairs.Select(p => p.Second)], 2), RTol, ATol, "second video");
    }

    [Fact]
    public void A_frame_depends_on_no_later_frame()
    {
        using var scope = NewDisposeScope();
        using WanVae vae = Small();
        Tensor latents = _random.Normal(1, 16, 3, 2, 2);
        Tensor changed = latents.clone();
        changed.narrow(2, 2, 1).add_(1);
        Tensor before = vae.DecodeWhole(latents), after = vae.DecodeWhole(changed);
        Comparison.Elementwise(before.narrow(2, 0, 5), after.narrow(2, 0, 5), RTol, ATol, "frames before the change");
        Assert.True((before - after).narrow(2, 5, 4).abs().max().item<float>() > 1e-3f);
    }

    [Fact]
    public void Gradients_reach_every_parameter()
    {
        using var scope = NewDisposeScope();
        using WanVae vae = Small();
        foreach ((_, TorchSharp.Modules.Parameter p) in vae.named_parameters()) p.requires_grad = true;
        Tensor video = _random.Normal(1, 3, 9, 16, 16);
        (Tensor mean, Tensor logVariance) = vae.EncodePosterior(video);
        // A different weight for every element: a plain mean over the channels of the latents would hide some of them.
        Tensor loss = (vae.DecodeWhole(mean) * _random.Normal(video.shape)).sum() + (logVariance * _random.Normal(logVariance.shape)).sum();
        loss.backward();
        Assert.Empty(vae.named_parameters().Where(p => p.parameter.grad is not { } g || !(g.abs().sum().item<float>() > 0))
            .Select(p => p.name));
    }

    [Fact]
    public void Nothing_is_left_alive_after_encoding_and_decoding()
    {
        using var outer = NewDisposeScope();
        using WanVae vae = Small();
        Tensor video = _random.Normal(1, 3, 5, 16, 16);
        vae.Encode(video).Dispose();
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        using (NewDisposeScope())
        {
            Tensor latents = vae.Encode(video);
            foreach (Tensor chunk in vae.DecodeChunks(latents)) chunk.Dispose();
            foreach (Tensor chunk in vae.DecodeChunks(latents).Take(1)) chunk.Dispose();
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Cancelling_ends_decoding()
    {
        using var scope = NewDisposeScope();
        using WanVae vae = Small();
        using var cancellation = new CancellationTokenSource();
        using IEnumerator<Tensor> chunks = vae.DecodeChunks(_random.Normal(1, 16, 3, 2, 2), cancellation.Token).GetEnumerator();
        Assert.True(chunks.MoveNext());
        cancellation.Cancel();
        Assert.Throws<OperationCanceledException>(() => chunks.MoveNext());
    }

    [Theory]
    [InlineData(new long[] { 1, 3, 4, 16, 16 })]
    [InlineData(new long[] { 1, 3, 5, 12, 16 })]
    [InlineData(new long[] { 1, 4, 5, 16, 16 })]
    [InlineData(new long[] { 3, 5, 16, 16 })]
    public void Videos_of_other_shapes_are_refused(long[] shape)
    {
        using var vae = new WanVae(VaeConfig.WithDim(2), Placement.Meta);
        using Tensor video = zeros(shape);
        Assert.Contains("1 + 4·n", Assert.Throws<ArgumentException>(() => vae.Encode(video)).Message);
    }

    [Theory]
    [InlineData(96, 2)]
    [InlineData(6, 1)]
    public void The_configuration_is_read_from_the_shapes(int dim, int blocks)
    {
        var config = new VaeConfig(dim, 16, [1, 2, 3, 4, 4], blocks, [false, true, true, false]);
        using var checkpoint = new ShapesOnly(new WanVae(config, Placement.Meta));
        Assert.Equal(config, VaeConfig.FromCheckpoint(checkpoint));
    }

    [Fact]
    public void A_checkpoint_of_something_else_is_refused()
    {
        using var checkpoint = new ShapesOnly(nn.Linear(2, 2));
        Assert.Contains("Wan 2.1 VAE", Assert.Throws<CheckpointException>(() => VaeConfig.FromCheckpoint(checkpoint)).Message);
    }

    [Fact]
    public void Impossible_configurations_are_refused()
    {
        Assert.Throws<InvalidRequestException>(() => VaeConfig.WithDim(0));
        Assert.Throws<InvalidRequestException>(() => new VaeConfig(96, 8, [1, 2], 2, [true]));
        Assert.Throws<InvalidRequestException>(() => new VaeConfig(96, 16, [1, 2], 2, [true, true]));
        Assert.Throws<InvalidRequestException>(() => new VaeConfig(3, 16, [1, 3], 2, [true]));
    }

    /// <summary>A small network with values of the size that a trained one has.</summary>
    private static WanVae Small(DecodePlan? plan = null, ScalarType dtype = ScalarType.Float32)
    {
        // Its own, as the other classes draw from that of the process meanwhile: two of these are the same.
        using var random = new Generator(1);
        var vae = new WanVae(VaeConfig.WithDim(4), Placement.Cpu with { Dtype = dtype }) { FixedPlan = plan };
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        foreach ((string name, TorchSharp.Modules.Parameter p) in vae.named_parameters())
        {
            double fanIn = p.shape.Skip(1).Aggregate(1L, (n, d) => n * d), size = name.EndsWith("bias", StringComparison.Ordinal) ? 0.1 : 1;
            if (name.EndsWith("gamma", StringComparison.Ordinal)) p.fill_(1);
            else p.copy_(randn(p.shape, generator: random) / Math.Sqrt(fanIn) * size);
        }
        return vae;
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 2)]
    [InlineData(81, 21)]
    public void A_clip_has_one_latent_frame_for_its_first_frame_and_one_for_every_four_after_it(int frames, int latents)
    {
        Assert.Equal(latents, VaeConfig.Wan21.LatentFrames(frames));
        Assert.Equal([2, 16, latents, 60, 104], VaeConfig.Wan21.LatentShape(2, frames, 480, 832));
        Assert.True(VaeConfig.Wan21.Takes(frames));
        Assert.False(VaeConfig.Wan21.Takes(frames + 1));
        foreach (double near in (double[])[frames - 1.9, frames, frames + 1.9]) Assert.Equal(frames, VaeConfig.Wan21.NearestFrames(near));
        Assert.Contains($"{frames} is the nearest below",
            Assert.Throws<InvalidRequestException>(() => VaeConfig.Wan21.CheckFrames(frames + 3)).Message);
    }
}
