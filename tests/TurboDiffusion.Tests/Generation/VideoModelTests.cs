using FFMpegCore;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using Xunit;

namespace TurboDiffusion.Tests.Generation;

public class VideoModelTests(SmallModelFixture models)
{
    private static readonly VideoModelOptions Cpu = new() { Device = "cpu" };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void A_prompt_becomes_a_video_file()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu);
        VideoRequest request = models.Request() with { Size = new(64, 48), Frames = 9, FramesPerSecond = 12 };
        VideoResult result = Assert.Single(model.Generate(request, cancellationToken: Token));
        Assert.Equal((64, 48, 9, 12, 7ul), (result.Width, result.Height, result.Frames, result.FramesPerSecond, result.Seed));
        Assert.Equal(request.OutputPath, result.Path);
        Assert.Equal("custom", result.Model.Preset);
        Assert.Equal(AttentionKind.Sla, result.Model.Attention);
        Assert.All([GenerationStage.Loading, GenerationStage.EncodingText, GenerationStage.Denoising, GenerationStage.Decoding],
            stage => Assert.True(result.StageTimes[stage] > TimeSpan.Zero));
        IMediaAnalysis video = FFProbe.Analyse(result.Path);
        Assert.Equal((64, 48), (video.PrimaryVideoStream!.Width, video.PrimaryVideoStream.Height));
        Assert.Equal(12.0, video.PrimaryVideoStream.AverageFrameRate);
        Assert.Equal(9 / 12.0, video.Duration.TotalSeconds, 0.1);
    }

    [Fact]
    public void Two_experts_of_text_to_video_are_run_as_Wan_2_2_is()
    {
        ModelFiles files = models.TextToVideo;
        using VideoModel model = VideoModel.Open(files with { LowNoiseTransformer = files.Transformer, Defaults = null }, Cpu);
        Assert.Equal(0.875, model.Components.Boundary);
        PipelineRequest plan = model.Plan(models.Request()
            with { Sampler = SamplerKind.UniPc, Steps = null, GuidanceScale = new(LowNoise: 3, HighNoise: 4) });
        Assert.Equal((40, 12.0, new GuidanceScale(LowNoise: 3, HighNoise: 4)),
            (plan.Sampler.Steps, plan.Sampler.Shift, plan.GuidanceScale));
        using VideoModel own = VideoModel.Open(files
            with { LowNoiseTransformer = files.Transformer, Defaults = new() { Boundary = 0.7 } }, Cpu);
        Assert.Equal(0.7, own.Components.Boundary);
        using VideoModel asked = VideoModel.Open(files with { LowNoiseTransformer = files.Transformer }, Cpu with { Boundary = 0.6 });
        Assert.Equal(0.6, asked.Components.Boundary);
    }

    [Fact]
    public void The_same_seed_gives_the_same_video_and_another_seed_another()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu);
        VideoRequest first = models.Request(), again = models.Request(), other = models.Request() with { Seed = 8 };
        foreach (VideoRequest request in new[] { first, again, other }) model.Generate(request, cancellationToken: Token);
        Assert.Equal(File.ReadAllBytes(first.OutputPath), File.ReadAllBytes(again.OutputPath));
        Assert.NotEqual(File.ReadAllBytes(first.OutputPath), File.ReadAllBytes(other.OutputPath));
    }

    [Fact]
    public void Several_videos_come_from_consecutive_seeds_and_equal_those_made_one_by_one()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu);
        IReadOnlyList<VideoResult> both = model.Generate(models.Request() with { Count = 2 }, cancellationToken: Token);
        Assert.Equal([7ul, 8ul], both.Select(v => v.Seed));
        Assert.EndsWith("video-1.mp4", both[0].Path);
        Assert.EndsWith("video-2.mp4", both[1].Path);
        VideoResult second = model.Generate(models.Request() with { Seed = 8 }, cancellationToken: Token)[0];
        Assert.Equal(File.ReadAllBytes(second.Path), File.ReadAllBytes(both[1].Path));
    }

    [Fact]
    public void Without_a_seed_the_drawn_one_makes_the_video_again()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu);
        VideoResult drawn = model.Generate(models.Request() with { Seed = null }, cancellationToken: Token)[0];
        VideoResult again = model.Generate(models.Request() with { Seed = drawn.Seed }, cancellationToken: Token)[0];
        Assert.Equal(File.ReadAllBytes(drawn.Path), File.ReadAllBytes(again.Path));
    }

    [Theory]
    [InlineData(AttentionKind.Dense, WeightFormat.Float)]
    [InlineData(AttentionKind.Dense, WeightFormat.Int8)]
    [InlineData(AttentionKind.Sla, WeightFormat.Int8)]
    [InlineData(AttentionKind.SageSla, WeightFormat.Float)]
    [InlineData(AttentionKind.SageSla, WeightFormat.Int8)]
    public void Attention_kinds_and_weight_formats_combine_freely(AttentionKind attention, WeightFormat weights)
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo,
            Cpu with { Attention = attention, Weights = weights, TopKRatio = 0.5 });
        VideoResult result = model.Generate(models.Request(), cancellationToken: Token)[0];
        Assert.Equal((attention, weights), (result.Model.Attention, result.Model.Weights));
    }

    [Theory]
    [InlineData(SamplerKind.UniPc)]
    [InlineData(SamplerKind.Euler)]
    public void Undistilled_sampling_uses_guidance_and_a_negative_prompt(SamplerKind sampler)
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu);
        VideoRequest guided = models.Request() with { Sampler = sampler, Steps = 3, GuidanceScale = 5, NegativePrompt = "blue" };
        VideoRequest otherNegative = guided with { NegativePrompt = "a square", OutputPath = models.Request().OutputPath };
        model.Generate(guided, cancellationToken: Token);
        model.Generate(otherNegative, cancellationToken: Token);
        Assert.NotEqual(File.ReadAllBytes(guided.OutputPath), File.ReadAllBytes(otherNegative.OutputPath));
    }

    [Fact]
    public void An_image_becomes_a_video_at_its_own_aspect_ratio()
    {
        using VideoModel model = VideoModel.Open(models.ImageToVideo, Cpu with { Residency = Residency.Staged });
        byte[] image = TestImage(200, 100);
        VideoResult result = model.Generate(models.Request() with { StartImage = image, AdaptiveSize = true, Steps = 4 },
            cancellationToken: Token)[0];
        Assert.Equal((48, 16), (result.Width, result.Height));
        Assert.Contains(GenerationStage.EncodingImage, result.StageTimes.Keys);
    }

    [Fact]
    public void Progress_tells_every_stage_in_order_and_to_its_end()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu);
        var seen = new List<GenerationProgress>();
        model.Generate(models.Request(), new Collector(seen), cancellationToken: Token);
        Assert.Equal(
            [GenerationStage.Loading, GenerationStage.EncodingText, GenerationStage.Loading, GenerationStage.Denoising,
                GenerationStage.Loading, GenerationStage.Decoding],
            seen.Select(p => p.Stage).Aggregate(new List<GenerationStage>(),
                (list, s) => { if (list.Count == 0 || list[^1] != s) list.Add(s); return list; }));
        Assert.Equal([0, 1, 2], seen.Where(p => p.Stage == GenerationStage.Denoising).Select(p => p.Step).Distinct());
        Assert.Equal([0, 1, 5], seen.Where(p => p.Stage == GenerationStage.Decoding).Select(p => p.Step).Distinct());
        Assert.Equal(TimeSpan.Zero, seen[^1].Remaining);
    }

    [Theory]
    [InlineData(false, Residency.Resident, 1)]
    [InlineData(false, Residency.Staged, 2)]
    [InlineData(true, Residency.Resident, 2)]
    [InlineData(true, Residency.Staged, 1)]
    [InlineData(true, Residency.Swapped, 2)]
    public void Progress_is_that_of_the_whole_generation_and_comes_about_a_hundred_times(bool image, Residency residency, int count)
    {
        using VideoModel model = VideoModel.Open(image ? models.ImageToVideo : models.TextToVideo, Cpu with { Residency = residency });
        VideoRequest request = models.Request()
            with { Count = count, Steps = 4, StartImage = image ? (ReadOnlyMemory<byte>?)TestImage(32, 32) : null };
        foreach (bool first in new[] { true, false })
        {
            var seen = new List<GenerationProgress>();
            var clock = System.Diagnostics.Stopwatch.StartNew();
            model.Generate(request with { OutputPath = request.OutputPath + (first ? "" : ".again.mp4") }, new Collector(seen),
                cancellationToken: Token);
            TimeSpan whole = clock.Elapsed;

            // One for each percent and step, and the beginning and end of each stage.
            Assert.InRange(seen.Count, 8, 100 + 2 * seen.Zip(seen.Skip(1)).Count(p => p.First.Stage != p.Second.Stage) + 2 + count * 4);
            Assert.All(seen.Zip(seen.Skip(1)),
                p => Assert.True(p.First.Fraction <= p.Second.Fraction && p.First.Elapsed <= p.Second.Elapsed));
            Assert.Equal((0, 0.0), (seen[0].Percent, seen[0].Fraction));
            Assert.Equal((100, 1.0, TimeSpan.Zero), (seen[^1].Percent, seen[^1].Fraction, seen[^1].Remaining));
            Assert.All(seen.SkipLast(1), p => Assert.True(p.Fraction < 1));
            Assert.InRange(seen[^1].Elapsed, TimeSpan.FromTicks(1), whole);
            // Known after a step; and from the beginning where the model has generated before.
            Assert.All(seen.Where(p => p.Stage == GenerationStage.Denoising && p.Step > 0), p => Assert.True(p.Remaining > TimeSpan.Zero));
            Assert.Equal(!first, seen[0].Remaining > TimeSpan.Zero);
        }
    }

    [Fact]
    public void An_observer_sees_every_frame_of_every_video()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu);
        var observer = new FrameCounter();
        model.Generate(models.Request() with { Count = 2 }, observer: observer, cancellationToken: Token);
        Assert.Equal(["begin 7", "1", "4", "end", "begin 8", "1", "4", "end"], observer.Seen);
    }

    [Fact]
    public void Low_memory_frees_each_model_after_its_stage_and_gives_the_same_video()
    {
        using VideoModel kept = VideoModel.Open(models.TextToVideo, Cpu),
            freed = VideoModel.Open(models.TextToVideo, Cpu with { Residency = Residency.Staged });
        VideoResult a = kept.Generate(models.Request(), cancellationToken: Token)[0],
            b = freed.Generate(models.Request(), cancellationToken: Token)[0];
        Assert.Equal(File.ReadAllBytes(a.Path), File.ReadAllBytes(b.Path));
        Assert.True(kept.Components.Experts[0].IsLoaded && kept.Components.Vae.IsLoaded);
        Assert.False(freed.Components.Experts[0].IsLoaded || freed.Components.Vae.IsLoaded || freed.Components.TextEncoder.IsLoaded);
    }

    [Fact]
    public void A_text_encoder_in_int8_gives_the_same_video_from_a_float_file_and_from_its_own_and_in_every_residency()
    {
        string file = Path.Combine(models.NewFolder(), "int8.safetensors");
        using (ICheckpoint text = UMT5Checkpoint.Int8Layers.As(Checkpoint.OpenModel(models.TextToVideo.TextEncoder), WeightFormat.Int8))
            SafetensorsWriter.Write(file, TensorSource.From(text), cancellationToken: Token);
        VideoModelOptions int8 = Cpu with { TextEncoderWeights = WeightFormat.Int8 };
        ModelFiles small = models.TextToVideo with { TextEncoder = file };
        byte[] Video(ModelFiles files, VideoModelOptions options, WeightFormat expected)
        {
            using VideoModel model = VideoModel.Open(files, options);
            VideoResult video = model.Generate(models.Request(), cancellationToken: Token)[0];
            Assert.Equal(expected, video.Model.TextEncoderWeights);
            Assert.Equal(expected == WeightFormat.Int8, video.Model.ToString().Contains("int8 text encoder", StringComparison.Ordinal));
            return File.ReadAllBytes(video.Path);
        }

        byte[] quantized = Video(models.TextToVideo, int8, WeightFormat.Int8);
        // The file's own format is the default.
        Assert.Equal(quantized, Video(small, Cpu, WeightFormat.Int8));
        Assert.Equal(quantized, Video(small, int8 with { Residency = Residency.Staged }, WeightFormat.Int8));
        Assert.Equal(quantized, Video(models.TextToVideo, int8 with { Residency = Residency.Staged }, WeightFormat.Int8));
        byte[] floats = Video(models.TextToVideo, Cpu, WeightFormat.Float);
        Assert.NotEqual(quantized, floats);
        Assert.NotEqual(quantized, Video(small, Cpu with { TextEncoderWeights = WeightFormat.Float }, WeightFormat.Float));
    }

    [Theory]
    [InlineData(false, WeightFormat.Float)]
    [InlineData(true, WeightFormat.Int8)]
    public void Swapped_blocks_give_the_same_video_and_stay_for_the_next_one(bool image, WeightFormat weights)
    {
        ModelFiles files = image ? models.ImageToVideo : models.TextToVideo;
        VideoModelOptions options = Cpu with { Weights = weights, Attention = AttentionKind.Sla };
        using VideoModel kept = VideoModel.Open(files, options with { Residency = Residency.Resident }),
            swapped = VideoModel.Open(files, options with { Residency = Residency.Swapped });
        VideoRequest Request() => models.Request() with
        {
            StartImage = image ? (ReadOnlyMemory<byte>?)TestImage(32, 32) : null, Steps = 4, Sampler = SamplerKind.Euler, GuidanceScale = 3,
        };
        byte[] expected = File.ReadAllBytes(kept.Generate(Request(), cancellationToken: Token)[0].Path);
        for (int video = 0; video < 2; video++)
        {
            Assert.Equal(expected, File.ReadAllBytes(swapped.Generate(Request(), cancellationToken: Token)[0].Path));
            Assert.All(swapped.Components.Experts, e => Assert.True(e.IsLoaded && e.Get(null, Token).SwapsBlocks));
            Assert.False(swapped.Components.Vae.IsLoaded || swapped.Components.TextEncoder.IsLoaded);
            // Cancelled within a step: what it took is free, and the next video is the same.
            using var source = new CancellationTokenSource();
            Assert.ThrowsAny<OperationCanceledException>(() => swapped.Generate(Request(), new Canceller(p =>
            {
                if (p is { Stage: GenerationStage.Denoising, Step: 1 }) source.Cancel();
            }), cancellationToken: source.Token));
        }
    }

    [Fact]
    public void Without_a_residency_asked_for_a_small_model_stays_in_memory()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu);
        Assert.Equal(Residency.Resident, model.Residency);
        Assert.Empty(model.Warnings);
    }

    [Fact]
    public void Both_experts_are_loaded_before_the_first_step_and_stay_unless_memory_is_low()
    {
        using VideoModel kept = VideoModel.Open(models.ImageToVideo, Cpu with { Weights = WeightFormat.Int8 }),
            freed = VideoModel.Open(models.ImageToVideo, Cpu with { Weights = WeightFormat.Int8, Residency = Residency.Staged });
        Assert.Equal([2, 2], [LoadedAtFirstStep(kept), LoadedAtFirstStep(kept)]);
        Assert.Equal(1, LoadedAtFirstStep(freed));

        int LoadedAtFirstStep(VideoModel model)
        {
            int? loaded = null;
            model.Generate(models.Request() with { StartImage = TestImage(32, 32), Steps = 4 }, new Canceller(p =>
            {
                if (p is { Stage: GenerationStage.Denoising, Step: 1 }) loaded ??= model.Components.Experts.Count(e => e.IsLoaded);
            }), cancellationToken: Token);
            return loaded!.Value;
        }
    }

    [Fact]
    public void Bad_requests_end_before_anything_is_loaded()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu);
        (string Parameter, VideoRequest Request)[] bad =
        [
            ("prompt", models.Request(" \t")),
            ("frames", models.Request() with { Frames = 6 }),
            ("frames", models.Request() with { Frames = 0 }),
            ("steps", models.Request() with { Steps = 7 }),
            ("sigmaMax", models.Request() with { SigmaMax = 1 }),
            ("guidance", models.Request() with { GuidanceScale = double.NaN }),
            ("guidance", models.Request() with { GuidanceScale = new(LowNoise: 3, HighNoise: 4) }),
            ("count", models.Request() with { Count = 0 }),
            ("fps", models.Request() with { FramesPerSecond = 0 }),
            ("image", models.Request() with { StartImage = TestImage(8, 8) }),
            ("output", models.Request() with { OutputPath = "/dev/null/video.mp4" }),
            ("output", models.Request() with { OutputPath = "video.xyz" }),
            ("width", models.Request() with { Size = new(16384, 16) }),
        ];
        foreach ((string parameter, VideoRequest request) in bad)
        {
            var error = Assert.Throws<InvalidRequestException>(() => model.Generate(request, cancellationToken: Token));
            Assert.Equal(parameter, error.Parameter);
            Assert.DoesNotContain('\n', error.Message);
        }
        Assert.Equal("width", Assert.Throws<InvalidRequestException>(() => new VideoSize(100, 64)).Parameter);
        Assert.False(model.Components.TextEncoder.IsLoaded || model.Components.Experts[0].IsLoaded || model.Components.Vae.IsLoaded);
    }

    [Fact]
    public void An_image_model_asks_for_an_image_and_refuses_what_is_none()
    {
        using VideoModel model = VideoModel.Open(models.ImageToVideo, Cpu);
        Assert.Equal("image", Assert.Throws<InvalidRequestException>(() =>
            model.Generate(models.Request(), cancellationToken: Token)).Parameter);
        Assert.Throws<InvalidRequestException>(() =>
            model.Generate(models.Request() with { StartImage = new byte[] { 1, 2, 3 } }, cancellationToken: Token));
    }

    [Fact]
    public void A_video_that_cannot_fit_into_memory_is_refused()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu);
        var error = Assert.Throws<InsufficientMemoryException>(
            () => model.Generate(models.Request() with { Size = new(8192, 8192), Frames = 1025 }, cancellationToken: Token));
        Assert.True(error.NeededBytes > error.AvailableBytes);
        Assert.False(model.Components.Experts[0].IsLoaded || model.Components.TextEncoder.IsLoaded || model.Components.Vae.IsLoaded);
    }

    [Fact]
    public void Files_in_the_wrong_role_are_refused_at_opening()
    {
        ModelFiles good = models.TextToVideo;
        foreach (ModelFiles bad in new[]
                 {
                     good with { Transformer = good.Vae }, good with { Vae = good.TextEncoder }, good with { TextEncoder = good.Vae },
                     good with { Tokenizer = good.Vae }, good with { Transformer = "/nowhere" },
                     good with { LowNoiseTransformer = models.ImageToVideo.Transformer },
                     good with { TextEncoder = WiderTextEncoder() },
                 })
            Assert.Throws<CheckpointException>(() => VideoModel.Open(bad, Cpu).Dispose());
    }

    [Fact]
    public void Cancellation_ends_the_call_and_leaves_no_file_and_the_next_call_works()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu);
        foreach (GenerationStage stage in Enum.GetValues<GenerationStage>().Except([GenerationStage.EncodingImage]))
        {
            using var cancellation = new CancellationTokenSource();
            VideoRequest request = models.Request();
            // ReSharper disable once AccessToDisposedClosure
            Assert.ThrowsAny<OperationCanceledException>(() => model.Generate(
                request, new Canceller(p => { if (p.Stage == stage) cancellation.Cancel(); }), cancellationToken: cancellation.Token));
            Assert.Empty(Directory.GetFileSystemEntries(Path.GetDirectoryName(request.OutputPath)!));
            Assert.Single(model.Generate(models.Request(), cancellationToken: Token));
            model.Components.Experts[0].Dispose();
        }
    }

    private string WiderTextEncoder() => new SmallModel { TextDim = 128 }.Write(models.NewFolder()).TextEncoder;

    internal static byte[] TestImage(int width, int height)
    {
        using var bitmap = new SkiaSharp.SKBitmap(width, height);
        bitmap.Erase(SkiaSharp.SKColors.Teal);
        using SkiaSharp.SKData data = bitmap.Encode(SkiaSharp.SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    private sealed class FrameCounter : IVideoObserver
    {
        public List<string> Seen { get; } = [];

        public void Begin(int video, ulong seed) => Seen.Add($"begin {seed}");

        public void Write(torch.Tensor levels) => Seen.Add($"{levels.shape[0]}");

        public void End() => Seen.Add("end");
    }

    private sealed class Collector(List<GenerationProgress> seen) : IProgress<GenerationProgress>
    {
        public void Report(GenerationProgress value) => seen.Add(value);
    }

    private sealed class Canceller(Action<GenerationProgress> report) : IProgress<GenerationProgress>
    {
        public void Report(GenerationProgress value) => report(value);
    }

    [Fact]
    public void A_model_with_the_latents_of_Wan_22_generates()
    {
        string folder = models.NewFolder();
        var small = new SmallModel { Like = ModelSpec.TI2V5B, Dim = 64, HeadDim = 64, Layers = 1, VaeDim = 4 };
        using VideoModel model = VideoModel.Open(small.Write(Path.Combine(folder, "model")) with { Defaults = null },
            new VideoModelOptions { Device = "cpu" });
        VideoRequest request = models.Request() with { Size = new(64, 32), Steps = 2, OutputPath = Path.Combine(folder, "video.gif") };
        VideoResult result = Assert.Single(model.Generate(request, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal((64, 32, 5, 24), (result.Width, result.Height, result.Frames, result.FramesPerSecond));
        Assert.True(new FileInfo(result.Path).Length > 0);
        // Given as the first frame, an image stays: that frame is the same for every seed, and the others are not.
        var frames = new List<TorchSharp.torch.Tensor[]>();
        using var scope = TorchSharp.torch.NewDisposeScope();
        foreach (ulong seed in (ulong[])[7, 8])
        {
            string pictures = Path.Combine(folder, $"{seed}/");
            model.Generate(request with { StartImage = TestImage(64, 32), Seed = seed, OutputPath = pictures },
                cancellationToken: TestContext.Current.CancellationToken);
            frames.Add([.. Directory.GetFiles(pictures, "*.png").Order(StringComparer.Ordinal)
                .Select(f => ImageReader.Read(File.ReadAllBytes(f), f))]);
        }
        Assert.Equal((5, 5), (frames[0].Length, frames[1].Length));
        Assert.True(frames[0][0].equal(frames[1][0]).all().item<bool>());
        Assert.False(frames[0][4].equal(frames[1][4]).all().item<bool>());
        // The grid is twice as coarse as that of Wan 2.1.
        Assert.Contains("multiple of 32",
            Assert.Throws<InvalidRequestException>(() => model.Check(request with { Size = new(48, 32) })).Message);
    }
}
