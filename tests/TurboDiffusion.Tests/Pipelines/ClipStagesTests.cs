using TurboDiffusion.Generation;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests.Generation;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Pipelines;

public class ClipStagesTests(SmallModelFixture models)
{
    private static readonly string[] Prompts = ["a red circle turns", "a heart"];
    private static readonly ulong[] Seeds = [7, 1];

    [Fact]
    public void A_batch_from_one_image_is_what_its_clips_are_by_themselves()
    {
        using var scope = NewDisposeScope();
        using VideoModel model = VideoModel.Open(models.ImageToVideo, new VideoModelOptions { Device = "cpu" });
        var stages = new ClipStages(model.Components, new ClipSettings
        {
            Width = 64, Height = 48, Frames = 5, NegativePrompt = "blurry", GuidanceScale = new(LowNoise: 2, HighNoise: 3),
            Sampler = model.Spec.Sampling.Of(SamplerKind.UniPc) with { Steps = 3 },
        });
        PromptEmbeddings text = stages.EncodeText(Prompts);
        EncodedImages images = stages.EncodeImages(randn([3, 48, 64], generator: new Generator(3)).clamp_(-1, 1));
        Tensor latents = stages.Denoise(text, Seeds, images);
        Assert.Equal([2, 16, 2, 6, 8], latents.shape);
        for (int i = 0; i < 2; i++)
            Comparison.RelativeL2(stages.Denoise(text.Only(i), [Seeds[i]], images), latents.narrow(0, i, 1), 1e-4, $"clip {i}");
        Tensor frames = cat([.. stages.Decode(latents)], dim: 2);
        Assert.Equal([2, 3, 5, 48, 64], frames.shape);
    }

    [Theory]
    [InlineData(60, 48, 5, "width")]
    [InlineData(64, 8208, 5, "height")]
    [InlineData(64, 48, 6, "frames")]
    [InlineData(64, 48, 0, "frames")]
    [InlineData(64, 48, 1029, "frames")]
    public void Clips_that_the_models_cannot_make_are_refused(int width, int height, int frames, string parameter)
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, new VideoModelOptions { Device = "cpu" });
        Assert.Equal(parameter, Assert.Throws<InvalidRequestException>(() => new ClipStages(model.Components, new ClipSettings
        {
            Width = width, Height = height, Frames = frames, Sampler = model.Spec.Sampling.Of(SamplerKind.Rcm),
        })).Parameter);
    }
}
