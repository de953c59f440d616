using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Checkpoints;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

public class Wan22VaeTests
{
    private readonly Generator _random = new(1);

    private static readonly VaeConfig Small = new(4, 48, [1, 2, 4, 4], 2, [false, true, true], decoderDim: 6, patchSize: 2,
        hasShortcuts: true);

    [Fact]
    public void The_published_network_has_its_shapes_in_every_layout()
    {
        using var vae = new WanVae(VaeConfig.Wan22, Placement.Meta);
        Dictionary<string, Tensor> state = vae.state_dict();
        foreach ((string name, long[] shape) in new (string, long[])[]
                 {
                     ("encoder.conv1.weight", [160, 12, 3, 3, 3]), ("encoder.head.2.weight", [96, 640, 3, 3, 3]),
                         ("conv1.weight", [96, 96, 1, 1, 1]),
                     ("conv2.weight", [48, 48, 1, 1, 1]), ("decoder.conv1.weight", [1024, 48, 3, 3, 3]),
                     ("decoder.head.2.weight", [12, 256, 3, 3, 3]),
                     ("encoder.downsamples.1.downsamples.2.time_conv.weight", [320, 320, 3, 1, 1]),
                     ("decoder.upsamples.0.upsamples.3.time_conv.weight", [2048, 1024, 3, 1, 1]),
                     ("decoder.upsamples.2.upsamples.3.resample.1.weight", [512, 512, 3, 3]),
                     ("decoder.upsamples.3.upsamples.0.shortcut.weight", [256, 512, 1, 1, 1]),
                 })
            Assert.Equal(shape, state[name].shape);
        var native = new HeaderCheckpoint(state.Select(t => new TensorInfo(t.Key, ScalarType.Float32, t.Value.shape)));
        foreach (KeyRuleSet layout in new[] { VaeLayouts.Wan22, VaeLayouts.Wan22Diffusers })
        {
            ICheckpoint file = layout.Inverse.Apply(native);
            CheckpointLayout found = CheckpointLayout.Detect(file);
            Assert.Same(layout, found.Rules);
            ICheckpoint view = found.Apply(file);
            Assert.Equal(HeaderCheckpoint.Describe(native), HeaderCheckpoint.Describe(view));
            Assert.Equal(VaeConfig.Wan22, VaeConfig.FromCheckpoint(view));
            CheckpointReport report = CheckpointInspector.Inspect(file);
            Assert.Equal((CheckpointInspector.Vae22Preset, 0), (report.Preset, report.Problems.Count));
        }
    }

    /// <summary>
    /// Networks of other sizes than the published one, down to one block a level and up to four. Not of four channels all the way: their
    /// norm is now and then of almost nothing, and rounding becomes a difference.
    /// </summary>
    public static TheoryData<int, int, int[], int, bool[], int> Sizes => new()
    {
        { 8, 8, [1, 2, 4, 4], 2, [false, true, true], 2 },
        { 16, 8, [1, 2, 4, 4], 2, [true, false, true], 2 },
        { 4, 12, [1, 2, 4, 4], 1, [false, true, true], 2 },
        { 8, 4, [1, 2, 2], 3, [true, true], 1 },
        { 8, 8, [1, 1, 1, 1], 4, [false, false, true], 2 },
    };

    [Theory]
    [InlineData(1, 2, 4)]
    [InlineData(1, 16, 16)]
    [InlineData(1, 3, 3)]
    public void Levels_whose_values_do_not_spread_evenly_are_refused(params int[] levels)
    {
        InvalidRequestException error = Assert.Throws<InvalidRequestException>(
            () => new VaeConfig(8, 48, levels, 2, [true, true], 8, 2, hasShortcuts: true));
        Assert.Contains("do not spread evenly", error.Message);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Networks_of_other_sizes_are_told_from_their_files_and_run(
        int dim, int decoderDim, int[] levels, int blocks, bool[] temporal, int patch)
    {
        using var scope = NewDisposeScope();
        var config = new VaeConfig(dim, 48, levels, blocks, temporal, decoderDim, patch, hasShortcuts: true);
        using var meta = new WanVae(config, Placement.Meta);
        using var values = new RandomCheckpoint(meta, 5);
        CheckpointLayout layout = CheckpointLayout.Detect(values);
        Assert.Same(VaeLayouts.Wan22, layout.Rules);
        Assert.Equal(config, VaeConfig.FromCheckpoint(layout.Apply(values)));
        using var vae = new WanVae(config, Placement.Cpu);
        StrictLoader.Load(vae, values, null, TestContext.Current.CancellationToken);
        int frames = 2 * config.TemporalFactor + 1;
        Tensor video = _random.Uniform(2, 3, frames, 2 * config.SpatialFactor, 3 * config.SpatialFactor) * 2 - 1,
            latents = vae.EncodeWhole(video);
        Assert.Equal([2, 48, 3, 2, 3], latents.shape);
        Comparison.Elementwise(latents, vae.Encode(video), 1e-4, 1e-4, "encode");
        Tensor decoded = vae.DecodeWhole(latents);
        Assert.Equal(video.shape, decoded.shape);
        Comparison.Elementwise(decoded, vae.Decode(latents), 1e-4, 1e-4, "decode");
    }

    [Fact]
    public void Chunks_are_the_whole_clip()
    {
        using var scope = NewDisposeScope();
        using WanVae vae = Random();
        Tensor video = _random.Uniform(1, 3, 9, 32, 64) * 2 - 1, whole = vae.EncodeWhole(video);
        Assert.Equal([1, 48, 3, 2, 4], whole.shape);
        Comparison.Elementwise(whole, vae.Encode(video), 1e-4, 1e-4, "encode");
        Tensor decoded = vae.DecodeWhole(whole);
        Assert.Equal(video.shape, decoded.shape);
        Comparison.Elementwise(decoded, vae.Decode(whole), 1e-4, 1e-4, "decode");
        Assert.Equal([1, 4, 4], vae.DecodeChunks(whole).Select(c => c.shape[2]));
        using WanVae strips = Random(0);
        Tensor wide = _random.Normal(1, 48, 2, 2, 13);
        Comparison.Elementwise(vae.DecodeWhole(wide), strips.Decode(wide), 1e-4, 1e-4, "strips");
    }

    [Fact]
    public void Shortcuts_are_means_and_repetitions()
    {
        using var scope = NewDisposeScope();
        Tensor x = _random.Normal(1, 2, 3, 4, 4), averaged = LevelShortcut.Average(x, 4, 2, 2),
            repeated = LevelShortcut.Repeat(x, 1, 2, 2, first: true);
        // Two channels of 2x2x2 in four groups of four: the first is channel 0 in frame -1 (zeros), the second channel 0 in frame 0.
        Assert.Equal([1, 4, 2, 2, 2], averaged.shape);
        Assert.Equal(0, averaged[0, 0, 0].abs().max().item<float>());
        Comparison.Elementwise(nn.functional.avg_pool2d(x[0, 0, 0].view(1, 1, 4, 4), 2).view(2, 2), averaged[0, 1, 0], 1e-6, 1e-6, "mean");
        Comparison.Elementwise(nn.functional.avg_pool2d(x[0, 1, 1].view(1, 1, 4, 4), 2).view(2, 2), averaged[0, 2, 1], 1e-6, 1e-6,
            "mean of the next");
        // One channel of 2x2x2 from two repeated four times: frame 0 of the pair is channel 0, frame 1 channel 1.
        Assert.Equal([1, 1, 5, 8, 8], repeated.shape);
        Comparison.Exact(x[0, 1, 0].repeat_interleave(2, 0).repeat_interleave(2, 1), repeated[0, 0, 0], "first");
        Comparison.Exact(x[0, 0, 1].repeat_interleave(2, 0).repeat_interleave(2, 1), repeated[0, 0, 1], "second");
    }

    // In the first of a level's layers, of the clip's second chunk: the next one is not run, and nothing of the clip is left.
    [Theory]
    [InlineData("encoder.downsamples.3.downsamples", WanVae.UsualDecodeBudget)]
    [InlineData("decoder.upsamples.0.upsamples", WanVae.UsualDecodeBudget)]
    [InlineData("decoder.upsamples.0.upsamples", 0)]
    public void Cancelling_stops_within_one_layer_and_frees_what_was_made(string level, long budget)
    {
        using var scope = NewDisposeScope();
        using WanVae vae = Random(budget);
        using var cancellation = new CancellationTokenSource();
        var layers = (TorchSharp.Modules.ModuleList<VaeLayer>)vae.named_modules().Single(m => m.name == level).module;
        int chunks = 0;
        using Hooked cancels = new(() => { if (++chunks == 2) cancellation.Cancel(); }), counts = new(() => Assert.Equal(1, chunks));
        (layers[0], layers[1]) = (cancels, counts);
        Tensor video = _random.Uniform(1, 3, 9, 32, 208), latents = _random.Normal(1, 48, 3, 2, 13);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Assert.Throws<OperationCanceledException>(() =>
        {
            if (level.StartsWith("encoder", StringComparison.Ordinal)) vae.Encode(video, cancellation.Token);
            else foreach (Tensor frames in vae.DecodeChunks(latents, cancellation.Token)) frames.Dispose();
        });
        Assert.Equal(2, chunks);
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    private sealed class Hooked(Action action) : VaeLayer
    {
        public override Tensor forward(Tensor input, CausalCache? cache)
        {
            action();
            return input.alias();
        }
    }

    private static WanVae Random(long budget = WanVae.UsualDecodeBudget)
    {
        using var meta = new WanVae(Small, Placement.Meta);
        var vae = new WanVae(Small, Placement.Cpu) { DecodeBudget = budget };
        StrictLoader.Load(vae, new RandomCheckpoint(meta, 5), null, TestContext.Current.CancellationToken);
        return vae;
    }
}
