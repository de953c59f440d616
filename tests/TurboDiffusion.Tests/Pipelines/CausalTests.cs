using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests.Generation;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Pipelines;

/// <summary>Causal generation with a cache of keys and values, against a mask over the whole sequence.</summary>
public class CausalTests(SmallModelFixture models)
{
    [Theory]
    [InlineData(5, 2, WeightFormat.Float)]
    [InlineData(4, 1, WeightFormat.Float)]
    [InlineData(3, 3, WeightFormat.Float)]
    [InlineData(4, 2, WeightFormat.Int8)]
    public void Group_by_group_with_the_cache_is_the_masked_form(int frames, int group, WeightFormat weights)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using WanModel model = Model(weights);
        Tensor clean = Normal(1, 2, 16, frames, 4, 6), noisy = Normal(2, 2, 16, frames, 4, 6);
        using CrossContext context = model.PrepareContext(Normal(3, 2, 7, 24));
        using var cache = new KeyValueCache();
        const long tokens = 6;
        for (int first = 0; first < frames; first += group)
        {
            int count = Math.Min(group, frames - first);
            Tensor t = tensor(new[] { 700f, 300f });
            // The frames before are clean, at time 0; those after do not count, and are noise at another time.
            Tensor x = cat([clean.narrow(2, 0, first), noisy.narrow(2, first, frames - first)], dim: 2);
            Tensor times = full([2, frames * tokens], 999f);
            times.narrow(1, 0, first * tokens).zero_();
            times.narrow(1, first * tokens, count * tokens).copy_(t.unsqueeze(1).expand(2, count * tokens));
            Tensor plain = model.ForwardMasked(x, times, context, group).narrow(2, first, count);
            Tensor cached = model.ForwardCausal(noisy.narrow(2, first, count), t, context, cache);
            Assert.Equal(first, cache.Frames);
            // Where int8 rounds, tokens of one tile round together, and the tiles are not the same.
            Comparison.RelativeL2(plain, cached, weights == WeightFormat.Float ? 1e-5 : 0.03, $"group at {first}");
            model.ForwardCausal(clean.narrow(2, first, count), zeros(2), context, cache, keep: true);
        }
        Assert.Equal(frames, cache.Frames);
        // Without a mask the early frames see the later ones, and differ.
        Tensor all = zeros([2, frames * tokens]);
        if (group < frames)
        {
            Tensor difference = model.Forward(clean, all, context) - model.ForwardMasked(clean, all, context, group);
            Assert.True(difference.narrow(2, 0, group).abs().max().item<float>() > 1e-3);
        }
    }

    [Fact]
    public void One_group_of_all_frames_is_the_usual_generation_and_groups_are_decoded_before_the_next_is_begun()
    {
        using var scope = NewDisposeScope();
        using VideoModel model = VideoModel.Open(models.TextToVideo,
            new VideoModelOptions { Device = "cpu", Dtype = ScalarType.Float32, Attention = AttentionKind.Dense });
        using var pipeline = new WanPipeline(model.Components);
        VideoRequest request = models.Request() with { Frames = 13, Steps = 2, Sampler = SamplerKind.Rcm };
        Tensor usual = Frames(request, out _), whole = Frames(request with { CausalFrames = 4 }, out _);
        Comparison.RelativeL2(usual, whole, 1e-4, "frames");

        Tensor grouped = Frames(request with { CausalFrames = 1 }, out List<string> events);
        Assert.Equal(usual.shape, grouped.shape);
        Assert.True((usual - grouped).abs().max().item<float>() > 1e-3);
        Assert.Equal(["denoised", "1", "denoised", "4", "denoised", "4", "denoised", "4"], events);
        Comparison.Exact(grouped, Frames(request with { CausalFrames = 1 }, out _), "the same seed");

        Tensor Frames(VideoRequest wanted, out List<string> events)
        {
            var told = new List<string>();
            var receiver = new Receiver(told);
            pipeline.Run(model.Check(wanted), receiver, new Steps(told), TestContext.Current.CancellationToken);
            events = told;
            Tensor all = cat([.. receiver.Chunks], dim: 2);
            foreach (Tensor chunk in receiver.Chunks) chunk.Dispose();
            return all;
        }
    }

    [Fact]
    public void A_generation_leaves_nothing_and_a_cancelled_one_neither()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, new VideoModelOptions { Device = "cpu" });
        VideoRequest request = models.Request() with { Frames = 9, Steps = 1, CausalFrames = 1 };
        model.Generate(request, cancellationToken: TestContext.Current.CancellationToken);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        model.Generate(request with { OutputPath = models.Request().OutputPath }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        using var cancellation = new CancellationTokenSource();
        int groups = 0;
        Assert.ThrowsAny<OperationCanceledException>(() => model.Generate(request with { OutputPath = models.Request().OutputPath },
            new Callback(p =>
            {
                if (p is { Stage: GenerationStage.Denoising, Step: 1 } && ++groups == 2) cancellation.Cancel();
            }), cancellationToken: cancellation.Token));
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void What_cannot_be_causal_is_refused()
    {
        using VideoModel text = VideoModel.Open(models.TextToVideo, new VideoModelOptions { Device = "cpu" }),
            image = VideoModel.Open(models.ImageToVideo, new VideoModelOptions { Device = "cpu" });
        Refused(text, "cannot be a group", r => r with { CausalFrames = 0 });
        Refused(text, "guidance", r => r with { CausalFrames = 1, GuidanceScale = 3 });
        Refused(image, "not a text-to-video model", r => r with { CausalFrames = 1 });

        void Refused(VideoModel model, string reason, Func<VideoRequest, VideoRequest> change)
        {
            using var scope = NewDisposeScope();
            VideoRequest request = change(models.Request());
            if (model == image) request = request with { StartImage = Picture() };
            InvalidRequestException error = Assert.Throws<InvalidRequestException>(() => model.Plan(request));
            Assert.Equal("causal", error.Parameter);
            Assert.Contains(reason, error.Message);
        }
    }

    private static byte[] Picture()
    {
        using var bitmap = new SkiaSharp.SKBitmap(32, 32);
        return Media.TestImages.Encode(bitmap, SkiaSharp.SKEncodedImageFormat.Png);
    }

    private static Tensor Normal(ulong seed, params long[] shape) => randn(shape, generator: new Generator(seed));

    private static WanModel Model(WeightFormat weights)
    {
        var config = new WanConfig(128, 256, 2, 2, textDim: 24, freqDim: 32);
        using var shapes = new WanModel(config, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
        using var random = new RandomCheckpoint(shapes, 1, metadata: WanCheckpoint.Metadata(config));
        return WanCheckpoint.Load(random, AttentionOptions.Dense, weights, Placement.Cpu);
    }

    private sealed class Receiver(List<string> told) : IVideoReceiver
    {
        public List<Tensor> Chunks { get; } = [];

        public void Begin(int video, ulong seed)
        {
        }

        public void Write(Tensor frames)
        {
            told.Add($"{frames.shape[2]}");
            Chunks.Add(frames.clone().DetachFromDisposeScope());
        }

        public void End()
        {
        }
    }

    private sealed class Steps(List<string> told) : IProgress<GenerationProgress>
    {
        public void Report(GenerationProgress value)
        {
            if (value is { Stage: GenerationStage.Denoising } && value.Step == value.TotalSteps) told.Add("denoised");
        }
    }

    private sealed class Callback(Action<GenerationProgress> report) : IProgress<GenerationProgress>
    {
        public void Report(GenerationProgress value) => report(value);
    }
}
