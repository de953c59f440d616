using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Models;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Sampling;
using Xunit;

namespace TurboDiffusion.Evaluation.Tests;

public sealed class BatchGeneratorTests(SmallModelFixture small)
{
    private static readonly string[] Prompts = ["a red circle", "two large blue stars spin in front of the ocean", "a heart"];
    private static readonly ulong[] Seeds = [7, 1, 7];

    [Theory]
    [InlineData(SamplerKind.Rcm, 1, AttentionKind.Sla)]
    [InlineData(SamplerKind.Rcm, 1, AttentionKind.Dense)]
    [InlineData(SamplerKind.UniPc, 4, AttentionKind.Dense)]
    [InlineData(SamplerKind.Euler, 4, AttentionKind.SageSla)]
    public void A_batch_gives_the_clips_that_the_pipeline_gives_one_by_one(SamplerKind sampler, double guidance, AttentionKind attention)
    {
        using VideoModel model = VideoModel.Open(small.Files,
            new VideoModelOptions { Device = "cpu", Dtype = torch.ScalarType.Float32, Attention = attention, TopKRatio = 0.3 });
        PipelineRequest settings = Settings(sampler, guidance);

        byte[][] batch = new BatchGenerator(model.Components, settings).Generate(Prompts, Seeds);

        var pipeline = new WanPipeline(model.Components);
        for (int i = 0; i < Prompts.Length; i++)
        {
            var receiver = new Collector();
            pipeline.Run(settings with { Prompt = Prompts[i], Seed = Seeds[i] }, receiver);
            Assert.Equal(receiver.Rgb.Count, batch[i].Length);
            // Rounding may lift a value to the next level; int8 attention rounds more.
            double mean = receiver.Rgb.Zip(batch[i]).Average(p => Math.Abs(p.First - p.Second));
            Assert.True(mean < (attention == AttentionKind.SageSla ? 0.5 : 0.02), $"clip {i}: mean difference {mean} levels");
        }
        Assert.NotEqual(batch[0], batch[2]);
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using VideoModel model = VideoModel.Open(small.Files, new VideoModelOptions { Device = "cpu" });
        var generator = new BatchGenerator(model.Components, Settings(SamplerKind.UniPc, 3));
        generator.Generate(Prompts, Seeds);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        generator.Generate(Prompts, Seeds);

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Cancelling_ends_a_batch()
    {
        using VideoModel model = VideoModel.Open(small.Files, new VideoModelOptions { Device = "cpu" });
        Assert.Throws<OperationCanceledException>(() =>
            new BatchGenerator(model.Components, Settings(SamplerKind.Rcm, 1)).Generate(Prompts, Seeds, new CancellationToken(true)));
    }

    private static PipelineRequest Settings(SamplerKind sampler, double guidance) => new()
    {
        Prompt = "-",
        NegativePrompt = "blurry",
        Width = 64,
        Height = 48,
        Frames = 9,
        GuidanceScale = guidance,
        Sampler = ModelSpec.T2V1_3B.Sampling.Of(sampler) with { Steps = 2 },
    };

    private sealed class Collector : IVideoReceiver
    {
        public List<byte> Rgb { get; } = [];

        public void Begin(int video, ulong seed)
        {
        }

        public void Write(torch.Tensor frames)
        {
            using torch.Tensor levels = VideoFrames.FromModelOutput(frames);
            Rgb.AddRange(levels.data<byte>());
        }

        public void End()
        {
        }
    }
}
