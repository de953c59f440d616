using Microsoft.Extensions.Time.Testing;
using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Tests.Generation;
using Xunit;

namespace TurboDiffusion.Tests.Pipelines;

/// <summary>What a generation tells of its times, on a clock that goes on only where a test says so.</summary>
public sealed class WanPipelineTimeTests(SmallModelFixture models)
{
    private const int Steps = 2, Chunks = 2;

    [Fact]
    public void The_time_left_is_that_of_all_stages_at_their_pace()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, new VideoModelOptions { Device = "cpu" });
        PipelineRequest request = model.Check(models.Request() with { Steps = Steps });
        var time = new FakeTimeProvider();
        using var pipeline = new WanPipeline(model.Components, time);

        // 2 × 5 s of denoising, 2 × 1 s of decoding; the other stages take no time.
        Watch first = Run(stepSeconds: 5, chunkSeconds: 1);
        Assert.Null(first.Seen[0].Remaining);
        Assert.Null(first.AtStep(0).Remaining);
        // What has not run yet is expected at the pace of denoising.
        Assert.True(first.AtStep(1).Remaining > TimeSpan.FromSeconds(5));

        // What all stages took before is known from the beginning.
        Watch second = Run(stepSeconds: 5, chunkSeconds: 1);
        Same(12, second.Seen[0].Remaining);
        Same(7, second.AtStep(1).Remaining);
        Same(2, second.AtStep(Steps).Remaining);

        // Slower than before: the pace of denoising is its own as soon as it is known, that of decoding still the earlier one.
        Watch slow = Run(stepSeconds: 20, chunkSeconds: 4);
        Same(12, slow.Seen[0].Remaining);
        Same(22, slow.AtStep(1).Remaining);
        Same(2, slow.AtStep(Steps).Remaining);
        Same(48, Run(stepSeconds: 1, chunkSeconds: 1).Seen[0].Remaining);

        Watch Run(int stepSeconds, int chunkSeconds)
        {
            var watch = new Watch(time, TimeSpan.FromSeconds(stepSeconds), TimeSpan.FromSeconds(chunkSeconds));
            IReadOnlyDictionary<GenerationStage, TimeSpan> times = pipeline.Run(
                request, watch, watch, TestContext.Current.CancellationToken);
            Assert.Equal(Steps * watch.Step, times[GenerationStage.Denoising]);
            Assert.Equal(Chunks * watch.Chunk, times[GenerationStage.Decoding]);
            GenerationProgress last = watch.Seen[^1];
            Assert.Equal((Steps * watch.Step + Chunks * watch.Chunk, TimeSpan.Zero), (last.Elapsed, last.Remaining));
            return watch;
        }
    }

    private static void Same(double seconds, TimeSpan? actual) => Assert.Equal(seconds, actual!.Value.TotalSeconds, 1e-3);

    // Lets every denoising step and every chunk of frames take its time.
    private sealed class Watch(FakeTimeProvider time, TimeSpan step, TimeSpan chunk) : IProgress<GenerationProgress>, IVideoReceiver
    {
        public TimeSpan Step => step;

        public TimeSpan Chunk => chunk;

        public List<GenerationProgress> Seen { get; } = [];

        public GenerationProgress AtStep(int number) => Seen.First(p => p.Stage == GenerationStage.Denoising && p.Step == number);

        public void Report(GenerationProgress value)
        {
            bool begins = value.Stage == GenerationStage.Denoising && value.Step < value.TotalSteps
                && !Seen.Any(p => p.Stage == value.Stage && p.Step == value.Step);
            Seen.Add(value);
            if (begins) time.Advance(step);
        }

        public void Begin(int video, ulong seed)
        {
        }

        public void Write(torch.Tensor frames) => time.Advance(chunk);

        public void End()
        {
        }
    }
}
