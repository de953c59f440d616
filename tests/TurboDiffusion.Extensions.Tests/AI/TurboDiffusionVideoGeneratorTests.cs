using System.Diagnostics;
using FFMpegCore;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Generation.Planning;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.AI;

// The generators of these tests share the device's queue, which some of them count.
[Collection("device")]
public sealed class TurboDiffusionVideoGeneratorTests : IDisposable
{
    // More than run before the test has done what it does meanwhile.
    private const int ManySteps = 30;

    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_prompt_becomes_a_file()
    {
        using var generator = Generator();
        var options = Options();
        options.FramesPerSecond = 8.5;
        options.Count = 2;

        var response = await generator.GenerateVideoAsync("a cat", options, Token);

        Assert.Equal("small random model", response.ModelId);
        Assert.Equal(2, response.Contents.Count);
        Assert.Equal([7L, 8L], response.Contents.Select(video => video.GetVideoInfo()!.Seed));
        foreach (var video in response.Contents.Cast<UriContent>())
        {
            Assert.Equal("video/mp4", video.MediaType);
            Assert.Equal(_folder, Path.GetDirectoryName(video.Uri.LocalPath));
            Assert.Equal((32, 48), (video.GetVideoInfo()!.Height, FFProbe.Analyse(video.Uri.LocalPath).PrimaryVideoStream!.Width));
            Assert.Equal(new VideoInfo(48, 32, 5, 8.5), video.GetVideoInfo()! with { Seed = null });
        }
    }

    [Fact]
    public async Task What_a_model_does_not_take_from_a_prompt_is_told_before_the_video_and_with_it()
    {
        using var generator = Generator();
        var check = generator.GetService<IVideoRequestCheck>()!;
        var cut = string.Join(' ', Enumerable.Repeat("a red circle", 400));

        var video = Assert.Single((await generator.GenerateVideoAsync(cut, Options(), Token)).Contents);

        var note = video.GetVideoInfo()!.Note;
        Assert.Matches("^The prompt has [0-9]+ tokens, and the model reads 511: its end is left out.$", note);
        Assert.Equal(note, (await check.CheckAsync(new VideoGenerationRequest(cut), Options(), Token)).Note);
        Assert.Null((await check.CheckAsync(new VideoGenerationRequest("a red circle"), Options(), Token)).Note);
    }

    // The engine counts on beyond what the options can say.
    [Fact]
    public async Task A_seed_that_the_options_cannot_say_is_not_told_as_another()
    {
        using var generator = Generator();
        var options = Options();
        options.Seed = long.MaxValue;
        options.Count = 2;

        var response = await generator.GenerateVideoAsync("a cat", options, Token);

        Assert.Equal([long.MaxValue, null], response.Contents.Select(video => video.GetVideoInfo()!.Seed));
    }

    [Fact]
    public async Task Bytes_leave_no_file_and_the_same_seed_gives_the_same_bytes()
    {
        using var generator = Generator();
        var options = Options();
        options.ResponseFormat = VideoGenerationResponseFormat.Data;
        options.MediaType = "image/gif";

        var videos = new List<DataContent>();
        for (var i = 0; i < 2; i++)
            videos.Add((DataContent)(await generator.GenerateVideoAsync("a cat", options, Token)).Contents[0]);

        Assert.Equal("image/gif", videos[0].MediaType);
        Assert.Equal(videos[0].Data.ToArray(), videos[1].Data.ToArray());
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public async Task A_streaming_call_tells_every_stage_and_step_and_then_the_video()
    {
        using var generator = Generator();
        var options = Options(steps: 3);

        var updates = await generator.GenerateStreamingAsync(new("a cat"), options, Token).ToListAsync(Token);

        var stages = updates.Select(update => update.Progress?.Stage).OfType<string>().Distinct().ToList();
        Assert.Equal(["decoding", "denoising", "encoding_text", "loading"], stages.Order());
        var steps = updates.Where(update => update.Progress?.Stage == "denoising").Select(update => update.Progress!.Value.Step!.Value)
            .Distinct().ToList();
        Assert.Equal([0, 1, 2, 3], steps);
        var progress = updates.Select(update => update.Progress).OfType<VideoGenerationProgress>().ToList();
        Assert.InRange(progress.Count, 8, 120);
        Assert.Equal((0, 100), (progress[0].PercentComplete, progress[^1].PercentComplete));
        Assert.All(progress.Zip(progress.Skip(1)), pair => Assert.True(
            pair.First.PercentComplete <= pair.Second.PercentComplete && pair.First.Elapsed <= pair.Second.Elapsed));
        Assert.Equal(TimeSpan.Zero, progress[^1].Remaining);
        Assert.Equal(VideoGenerationResponseUpdateKind.VideoUpdated, updates[^1].Kind);
        Assert.IsType<UriContent>(Assert.Single(updates[^1].Contents));
        Assert.Single(updates.Select(update => update.ResponseId).OfType<string>().Distinct());
    }

    [Fact]
    public async Task Previews_and_finished_frames_come_before_the_video()
    {
        using var generator = Generator();
        var options = Options();
        options.StreamingCount = 2;
        options.RawRepresentationFactory = _ => new TurboDiffusionRequestOptions { Steps = 1, Frames = 9, StreamFrames = true };

        var updates = await generator.GenerateStreamingAsync(new("a cat"), options, Token).ToListAsync(Token);

        Assert.Equal(["frame_00000.png", "frame_00008.png"],
            Frames(VideoGenerationResponseUpdateKind.VideoUpdating).Select(frame => frame.Name));
        var frames = Frames(VideoGenerationResponseUpdateKind.FramesUpdated);
        Assert.Equal(Enumerable.Range(0, 9).Select(i => $"frame_{i:00000}.png"), frames.Select(frame => frame.Name));
        using var image = Microsoft.ML.Data.MLImage.CreateFromStream(new MemoryStream(frames[0].Data.ToArray()));
        Assert.Equal((48, 32), (image.Width, image.Height));
        Assert.Single(updates.ToVideoGenerationResponse().Contents);

        List<DataContent> Frames(VideoGenerationResponseUpdateKind kind) =>
            [.. updates.Where(update => update.Kind == kind).SelectMany(update => update.Contents).Cast<DataContent>()];
    }

    [Fact]
    public async Task Each_step_is_shown_where_it_is_asked_for()
    {
        using var generator = Generator();
        var options = Options();
        options.RawRepresentationFactory = _ => new TurboDiffusionRequestOptions { Steps = 3, StreamSteps = true };

        var updates = await generator.GenerateStreamingAsync(new("a cat"), options, Token).ToListAsync(Token);

        var shown = updates.Where(update => update.Kind == VideoGenerationResponseUpdateKind.VideoUpdating).ToList();
        Assert.Equal([("denoising", 1, 3), ("denoising", 2, 3), ("denoising", 3, 3)],
            shown.Select(update => (update.Progress!.Value.Stage, update.Progress.Value.Step, update.Progress.Value.TotalSteps))
                .Select(p => (p.Stage!, p.Step!.Value, p.TotalSteps!.Value)));
        foreach (var update in shown)
        {
            var picture = Assert.IsType<DataContent>(Assert.Single(update.Contents));
            using var image = Microsoft.ML.Data.MLImage.CreateFromStream(new MemoryStream(picture.Data.ToArray()));
            Assert.Equal((48, 32), (image.Width, image.Height));
        }

        Assert.True(updates.IndexOf(shown[^1]) < updates.FindIndex(update => update.Progress?.Stage == "decoding"));
    }

    [Fact]
    public async Task Requests_with_different_LoRAs_at_once_give_what_they_give_alone()
    {
        using var generator = Generator();
        var loras = Loras();

        IReadOnlyList<string>?[] wanted = [null, [loras[0]], [loras[1] + ":0.8"], []];
        var alone = new List<byte[]>();
        foreach (var set in wanted)
            alone.Add(await VideoAsync(set));
        var together = await Task.WhenAll(wanted.Concat(wanted).Select(VideoAsync));
        Assert.Equal(alone.Concat(alone), together);
        Assert.Equal(alone[0], alone[3]);
        Assert.Equal(3, alone.Select(Convert.ToBase64String).Distinct().Count());
        var error = await Assert.ThrowsAsync<CheckpointException>(() => VideoAsync([Path.Combine(_folder, "missing.safetensors")]));
        Assert.Contains("missing.safetensors", error.Message, StringComparison.Ordinal);

        Task<byte[]> VideoAsync(IReadOnlyList<string>? set) => FrameAsync(generator, new VideoGenerationRequest("a cat"),
            new TurboDiffusionRequestOptions { Steps = 1, Frames = 5, Loras = set is null ? null : [.. set] });
    }

    [Fact]
    public async Task Each_expert_gets_the_LoRAs_of_its_list_of_the_options_or_of_a_request()
    {
        var loras = Loras();
        var png = Path.Combine(_folder, "start.png");
        using (var image = Microsoft.ML.Data.MLImage.CreateFromPixels(32, 32, Microsoft.ML.Data.MLPixelFormat.Rgba32,
            new byte[32 * 32 * 4]))
            image.Save(png);
        var request = new VideoGenerationRequest("it waves", new UriContent(new Uri(png), "image/png"));
        var options = EngineOptions(16, EngineModels.ImageToVideo);
        (options.HighNoiseLoras, options.LowNoiseLoras) = ([loras[0]], [loras[1] + ":-0.5"]);
        using var own = new TurboDiffusionVideoGenerator(options);
        using var plain = Generator(model: EngineModels.ImageToVideo);

        // Of three steps the last is the low-noise expert's.
        var given = await FrameAsync(plain, request, Experts([loras[0]], [loras[1] + ":-0.5"]));
        Assert.Equal(await FrameAsync(own, request, Experts(null, null)), given);
        Assert.NotEqual(await FrameAsync(plain, request, Experts([loras[1] + ":-0.5"], [loras[0]])), given);
        Assert.NotEqual(await FrameAsync(plain, request, Experts(null, [loras[1] + ":-0.5"])), given);
        Assert.NotEqual(await FrameAsync(plain, request, Experts([loras[0]], null)), given);

        static TurboDiffusionRequestOptions Experts(IList<string>? high, IList<string>? low) =>
            new() { Steps = 3, Frames = 5, HighNoiseLoras = high, LowNoiseLoras = low };
    }

    private static async Task<byte[]> FrameAsync(
        TurboDiffusionVideoGenerator generator, VideoGenerationRequest request, TurboDiffusionRequestOptions raw)
    {
        var options = Options();
        options.ResponseFormat = VideoGenerationResponseFormat.Data;
        options.StreamingCount = 1;
        options.RawRepresentationFactory = _ => raw;
        // The file names the LoRAs; the frame does not.
        byte[]? frame = null;
        await foreach (var update in generator.GenerateStreamingAsync(request, options, Token))
        {
            if (update.Kind == VideoGenerationResponseUpdateKind.VideoUpdating)
                frame = ((DataContent)update.Contents[0]).Data.ToArray();
        }

        return frame!;
    }

    private string[] Loras()
    {
        var loras = new[] { "one", "two" }.Select(name => Path.Combine(_folder, name + ".safetensors")).ToArray();
        for (var i = 0; i < loras.Length; i++)
        {
            using var scope = TorchSharp.torch.NewDisposeScope();
            Checkpoints.SafetensorsWriter.Write(loras[i],
            [
                Checkpoints.TensorSource.From("blocks.0.ffn.0.lora_A.weight", TorchSharp.torch.ones(1, 128) * (i + 1)),
                Checkpoints.TensorSource.From("blocks.0.ffn.0.lora_B.weight", TorchSharp.torch.ones(256, 1)),
            ]);
        }

        return loras;
    }

    [Fact]
    public async Task An_image_becomes_the_start_of_a_video_in_its_own_shape()
    {
        using var generator = Generator(model: EngineModels.ImageToVideo);
        var png = Path.Combine(_folder, "start.png");
        using (var image = Microsoft.ML.Data.MLImage.CreateFromPixels(64, 32, Microsoft.ML.Data.MLPixelFormat.Rgba32,
            new byte[64 * 32 * 4]))
            image.Save(png);
        var options = Options();
        options.VideoSize = null;

        foreach (var start in new AIContent[] { await DataContent.LoadFromAsync(png, cancellationToken: Token),
            new UriContent(new Uri(png), "image/png") })
        {
            var info = (await generator.AnimateImageAsync(start, "it waves", options, Token)).Contents[0].GetVideoInfo()!;
            Assert.Equal(2.0, (double)info.Width / info.Height, 0.3);
        }

        // With the same seed, another last frame is another video.
        var videos = new List<byte[]>();
        foreach (var end in new AIContent?[] { null, new UriContent(new Uri(png), "image/png") })
        {
            var request = new VideoGenerationRequest("it waves", new UriContent(new Uri(png), "image/png")) { EndFrame = end };
            var content = (await generator.GenerateAsync(request, options, Token)).Contents[0];
            videos.Add(content is DataContent data ? data.Data.ToArray()
                : await File.ReadAllBytesAsync(((UriContent)content).Uri.LocalPath, Token));
        }

        Assert.NotEqual(videos[0], videos[1]);
    }

    [Fact]
    public async Task Requests_that_cannot_be_met_are_refused_with_the_reason()
    {
        using var generator = Generator();

        await Refused("prompt", " ", _ => { });
        await Refused("seed", "a cat", options => options.Seed = -1);
        await Refused("media type", "a cat", options => options.MediaType = "video/avi");
        await Refused("width", "a cat", options => options.VideoSize = new(33, 32));
        await Refused("model", "a cat", options => options.ModelId = "another");
        await Refused("duration", "a cat", options => (options.RawRepresentationFactory, options.Duration) = (null, TimeSpan.MaxValue));
        await Refused("aspect ratio", "a cat", options => (options.VideoSize, options.AspectRatio) = (null, "wide"));
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => generator.AnimateImageAsync(
            new UriContent("http://example.com/a.png", "image/png"), "a cat", Options(), Token));
        Assert.Equal("image", error.Parameter);
        error = await Assert.ThrowsAsync<InvalidRequestException>(() => generator.GenerateAsync(
            new VideoGenerationRequest("a cat") { EndFrame = new DataContent(new byte[] { 1 }, "image/png") }, Options(), Token));
        Assert.Equal("end image", error.Parameter);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));

        async Task Refused(string parameter, string prompt, Action<VideoGenerationOptions> change)
        {
            var options = Options();
            change(options);
            var refused = await Assert.ThrowsAsync<InvalidRequestException>(() => generator.GenerateVideoAsync(prompt, options, Token));
            Assert.Equal(parameter, refused.Parameter);
        }
    }

    [Theory]
    [InlineData(0.0, 1)]
    [InlineData(0.5, 5)]
    [InlineData(0.75, 5)]
    [InlineData(1.1, 9)]
    public async Task The_nearest_supported_duration_is_used(double seconds, int frames)
    {
        using var generator = Generator();
        var options = Options();
        options.RawRepresentationFactory = _ => new TurboDiffusionRequestOptions { Steps = 1 };
        (options.Duration, options.FramesPerSecond) = (TimeSpan.FromSeconds(seconds), 8);

        var response = await generator.GenerateVideoAsync("a cat", options, Token);

        Assert.Equal(frames, response.Contents[0].GetVideoInfo()!.FrameCount);
    }

    [Fact]
    public async Task Cancellation_at_any_time_ends_the_call_soon_and_the_next_call_works()
    {
        using var generator = Generator();
        var random = new Random(20252);
        await generator.GenerateVideoAsync("a cat", Options(), Token);
        var whole = Stopwatch.StartNew();
        await generator.GenerateVideoAsync("a cat", Options(steps: 4), Token);
        var usual = whole.Elapsed;

        for (var i = 0; i < 12; i++)
        {
            using var source = CancellationTokenSource.CreateLinkedTokenSource(Token);
            source.CancelAfter(random.NextDouble() * usual);
            try
            {
                if (i % 2 == 0)
                    await generator.GenerateVideoAsync("a cat", Options(steps: 1000), source.Token);
                else
                    await generator.GenerateStreamingAsync(new("a cat"), Options(steps: 1000), source.Token).ToListAsync(Token);
                Assert.Fail("1000 steps end before 4 do.");
            }
            catch (OperationCanceledException)
            {
                Assert.True(source.IsCancellationRequested);
            }
        }

        await generator.GenerateVideoAsync("a cat", Options(), Token);
        Assert.Equal(3, Directory.GetFileSystemEntries(_folder).Length);
    }

    [Fact]
    public async Task Cancellation_within_a_step_ends_the_call_before_the_next_step()
    {
        using var generator = Generator();
        using var source = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var steps = 0;

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var update in generator.GenerateStreamingAsync(new("a cat"), Options(steps: 50), source.Token))
            {
                if (update.Progress is { Stage: "denoising", Step: var step })
                {
                    steps = step!.Value;
                    if (step == 1)
                        await source.CancelAsync();
                }
            }
        });

        Assert.InRange(steps, 1, 3);
    }

    [Fact]
    public async Task A_reader_who_leaves_ends_the_generation()
    {
        using var generator = Generator();

        await foreach (var update in generator.GenerateStreamingAsync(new("a cat"), Options(steps: 50), Token))
        {
            if (update.Progress?.Stage == "denoising")
                break;
        }

        Assert.Empty(Directory.GetFileSystemEntries(_folder));
        await generator.GenerateVideoAsync("a cat", Options(), Token);
    }

    [Fact]
    public async Task Concurrent_callers_are_served_in_turn_and_a_full_queue_refuses()
    {
        using var generator = Generator(queue: 1);
        var order = new List<int>();
        var (started, first) = Start(1, ManySteps, VideoGenerationResponseUpdateKind.Progress);
        await started;
        var (queued, second) = Start(2, 1, VideoGenerationResponseUpdateKind.Queued);
        await queued;

        var error = await Assert.ThrowsAsync<VideoGeneratorQueueFullException>(() =>
            generator.GenerateVideoAsync("a cat", Options(), Token));
        Assert.Contains("1 requests", error.Message, StringComparison.Ordinal);
        await Task.WhenAll(first, second);
        Assert.Equal([1, 2], order);
        await generator.GenerateVideoAsync("a cat", Options(), Token);

        (Task First, Task Whole) Start(int number, int steps, VideoGenerationResponseUpdateKind kind)
        {
            var (first, whole) = Follow(generator, Options(steps), kind);
            return (first, Note());

            async Task Note()
            {
                await whole;
                lock (order)
                    order.Add(number);
            }
        }
    }

    [Fact]
    public async Task Two_models_on_one_device_take_turns()
    {
        using var one = Generator();
        using var two = Generator();
        var (started, running) = Follow(one, Options(ManySteps), VideoGenerationResponseUpdateKind.Progress);
        await started;

        var updates = await two.GenerateStreamingAsync(new("a cat"), Options(), Token).ToListAsync(Token);

        Assert.Equal(VideoGenerationResponseUpdateKind.Queued, updates[0].Kind);
        Assert.Equal(1, updates[0].Progress!.Value.QueuePosition);
        await running.WaitAsync(TimeSpan.FromMinutes(1), Token);
    }

    [Fact]
    public async Task Disposing_at_any_time_during_a_run_is_safe()
    {
        var random = new Random(20253);
        for (var i = 0; i < 8; i++)
        {
            var generator = Generator();
            var running = generator.GenerateVideoAsync("a cat", Options(steps: 1000), Token);
            var waiting = generator.GenerateVideoAsync("a cat", Options(steps: 1000), Token);
            await Task.Delay(random.Next(400), Token);

            generator.Dispose();
            generator.Dispose();

            await Assert.ThrowsAsync<ObjectDisposedException>(() => running);
            await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
            await Assert.ThrowsAsync<ObjectDisposedException>(() => generator.GenerateVideoAsync("a cat", Options(), Token));
        }

        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public async Task Each_stage_is_a_span_below_the_call_and_a_metric_with_its_unit()
    {
        var spans = new List<Activity>();
        var metrics = new List<Metric>();
        using var tracing = Sdk.CreateTracerProviderBuilder().AddSource(OpenTelemetryVideoGenerator.DefaultSourceName)
            .AddInMemoryExporter(spans).Build();
        using var metering = Sdk.CreateMeterProviderBuilder().AddMeter(OpenTelemetryVideoGenerator.DefaultSourceName)
            .AddInMemoryExporter(metrics).Build();
        using var generator = Generator().AsBuilder().UseOpenTelemetry().Build();

        await generator.GenerateVideoAsync("a cat", Options(steps: 3), Token);
        metering.ForceFlush();

        var call = spans.Single(span => span.DisplayName.StartsWith("generate_content", StringComparison.Ordinal));
        foreach (var stage in new[] { "loading", "encoding_text", "denoising", "decoding" })
        {
            Assert.Contains(spans, span => span.DisplayName == $"turbodiffusion.{stage}" && span.ParentSpanId == call.SpanId
                && span.Duration > TimeSpan.Zero);
            Assert.True(Point("turbodiffusion.stage.duration", "s", stage).GetHistogramSum() > 0);
        }

        Assert.Equal(3, Point("turbodiffusion.step.duration", "s").GetHistogramCount());
        Assert.Equal(5, Point("turbodiffusion.frames", "{frame}").GetSumLong());
        Assert.Equal(1, Point("gen_ai.client.operation.duration", "s").GetHistogramCount());

        MetricPoint Point(string name, string unit, string? stage = null)
        {
            var metric = metrics.Last(metric => metric.Name == name);
            Assert.Equal(unit, metric.Unit);
            foreach (var point in metric.GetMetricPoints())
            {
                var tags = new Dictionary<string, object?>();
                foreach (var tag in point.Tags)
                    tags[tag.Key] = tag.Value;
                if (stage is null || Equals(tags["turbodiffusion.stage"], stage))
                    return point;
            }

            throw new InvalidOperationException($"{name} has no point for {stage}.");
        }
    }

    [Fact]
    public async Task The_model_is_opened_once_and_its_loading_is_logged()
    {
        var logs = new LogCollector(LogLevel.Information);
        using var generator = new TurboDiffusionVideoGenerator(EngineOptions(), new Logger<TurboDiffusionVideoGenerator>(logs));
        Assert.Empty(logs.Entries);

        await generator.GenerateVideoAsync("a cat", Options(), Token);
        await generator.GenerateVideoAsync("a cat", Options(), Token);

        Assert.Single(logs.Entries, entry => entry.Message.StartsWith("Opened the model small random model", StringComparison.Ordinal));
        Assert.Contains(logs.Entries, entry => entry.Message.StartsWith("Generating a video: 100 % after ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_model_has_one_name_everywhere()
    {
        var spans = new List<Activity>();
        var metrics = new List<Metric>();
        using var tracing = Sdk.CreateTracerProviderBuilder().AddSource(OpenTelemetryVideoGenerator.DefaultSourceName)
            .AddInMemoryExporter(spans).Build();
        using var metering = Sdk.CreateMeterProviderBuilder().AddMeter(OpenTelemetryVideoGenerator.DefaultSourceName)
            .AddInMemoryExporter(metrics).Build();
        using var generator = Generator().AsBuilder().UseOpenTelemetry().Build();

        var before = generator.GetRequiredService<VideoGeneratorMetadata>().DefaultModelId;
        var response = await generator.GenerateVideoAsync("a cat", Options(), Token);
        metering.ForceFlush();

        var names = new HashSet<string?> { before, response.ModelId };
        names.UnionWith(spans.Select(span => span.GetTagItem("gen_ai.request.model") as string).Where(name => name is not null));
        foreach (var metric in metrics)
            foreach (ref readonly var point in metric.GetMetricPoints())
                foreach (var tag in point.Tags)
                    if (tag.Key is "gen_ai.request.model" or "gen_ai.response.model")
                        names.Add((string?)tag.Value);
        Assert.Equal("small random model", Assert.Single(names));
        Assert.Contains(spans, span => span.DisplayName == "generate_content small random model");

        // Before anything is made or read, too; and a missing model is no reason to fail here.
        using var defaults = new TurboDiffusionVideoGenerator();
        Assert.Equal(Generation.Models.ModelLibrary.NameOf(null), defaults.GetRequiredService<VideoGeneratorMetadata>().DefaultModelId);
        using var missing = new TurboDiffusionVideoGenerator(new() { Model = "/no/such/model" });
        Assert.Equal("/no/such/model", missing.GetRequiredService<VideoGeneratorMetadata>().DefaultModelId);
    }

    [Fact]
    public async Task The_fingerprint_is_that_of_the_weights_and_of_how_they_are_run()
    {
        var copy = Directory.CreateTempSubdirectory("turbodiffusion-").FullName;
        var retrained = Directory.CreateTempSubdirectory("turbodiffusion-").FullName;
        try
        {
            new Generation.Models.SmallModel().Write(copy);
            new Generation.Models.SmallModel { Seed = 1 }.Write(retrained);
            var first = await Of(EngineOptions());
            Assert.Equal(first, await Of(new() { Model = copy, Device = "cpu", Residency = Residency.Staged }));

            string[] all =
            [
                first,
                await Of(new() { Model = retrained, Device = "cpu" }),
                await Of(new() { Model = copy, Device = "cpu", Attention = Operators.Attention.AttentionKind.Dense }),
                await Of(new() { Model = copy, Device = "cpu", TopKRatio = 0.5 }),
                await Of(new() { Model = copy, Device = "cpu", Weights = Operators.Linear.WeightFormat.Int8 }),
                await Of(new() { Model = copy, Device = "cpu", TextEncoderWeights = Operators.Linear.WeightFormat.Int8 }),
            ];
            Assert.Equal(all.Length, all.Distinct().Count());
        }
        finally
        {
            Directory.Delete(copy, recursive: true);
            Directory.Delete(retrained, recursive: true);
        }

        async Task<string> Of(TurboDiffusionOptions options)
        {
            using var generator = new TurboDiffusionVideoGenerator(options).AsBuilder().UseOpenTelemetry().Build();
            return await generator.GetRequiredService<IVideoModelFingerprint>().GetFingerprintAsync(Token);
        }
    }

    [Fact]
    public async Task A_video_that_a_provider_keeps_is_refused()
    {
        using var generator = Generator();
        await Assert.ThrowsAsync<InvalidRequestException>(() =>
            generator.GenerateVideoAsync("a cat", new() { ResponseFormat = VideoGenerationResponseFormat.Hosted }, Token));
    }

    [Fact]
    public async Task A_foreign_options_object_is_refused()
    {
        using var generator = Generator();

        var error = await Assert.ThrowsAsync<InvalidRequestException>(() =>
            generator.GenerateVideoAsync("a cat", new() { RawRepresentationFactory = _ => "steps=4" }, Token));

        Assert.Contains("System.String", error.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(TurboDiffusionRequestOptions), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Services_of_the_generator()
    {
        using var generator = Generator();

        Assert.Equal("turbodiffusion", generator.GetRequiredService<VideoGeneratorMetadata>().ProviderName);
        Assert.Equal("small random model", generator.GetRequiredService<VideoGeneratorMetadata>().DefaultModelId);
        Assert.Equal(_folder, generator.GetRequiredService<VideoGeneratorMetadata>().OutputDirectory);
        Assert.Equal(EngineModels.TextToVideo, generator.GetRequiredService<TurboDiffusionOptions>().Model);
        Assert.Null(generator.GetService<VideoGeneratorMetadata>("key"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Runs a streaming call; the first task ends with the first update of a kind, the second with the call.</summary>
    private static (Task First, Task Whole) Follow(
        IVideoGenerator generator, VideoGenerationOptions options, VideoGenerationResponseUpdateKind kind)
    {
        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return (first.Task, Run());

        async Task Run()
        {
            await foreach (var update in generator.GenerateStreamingAsync(new("a cat"), options, Token))
            {
                if (update.Kind == kind)
                    first.TrySetResult();
            }
        }
    }

    private static VideoGenerationOptions Options(int steps = 1) => new()
    {
        VideoSize = new(48, 32),
        Seed = 7,
        RawRepresentationFactory = _ =>
            new TurboDiffusionRequestOptions { Sampler = Sampling.SamplerKind.Euler, Steps = steps, Frames = 5 },
    };

    private TurboDiffusionOptions EngineOptions(int queue = 16, string? model = null) => new()
    {
        Model = model ?? EngineModels.TextToVideo,
        Device = "cpu",
        OutputDirectory = _folder,
        MaxQueuedRequests = queue,
    };

    private TurboDiffusionVideoGenerator Generator(int queue = 16, string? model = null) => new(EngineOptions(queue, model));
}
