using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Clip;
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

    [Fact]
    public void An_image_encoder_sees_the_images_as_they_were_before_they_were_fitted()
    {
        using var scope = NewDisposeScope();
        using VideoModel model = VideoModel.Open(
            new SmallModel { Like = ModelSpec.FLF2V14B, Layers = 1 }.Write(models.NewFolder()), new VideoModelOptions { Device = "cpu" });
        byte[][] pictures = [Picture(90, 30, 1), Picture(30, 70, 2)];
        PipelineRequest plan = model.Plan(models.Request() with { StartImage = pictures[0], EndImage = pictures[1], Steps = 1 });
        ClipVisionEncoder encoder = model.Components.ImageEncoder!.Get();
        Tensor first = ImageReader.Read(pictures[0], "picture");
        // Ten rows in the middle: three times as wide as high, as the first is.
        Tensor last = ImageReader.Read(pictures[1], "picture").narrow(1, 30, 10);
        Comparison.Exact(ImageFitting.ToModelInput(model.Spec.ImageFit, last, new(plan.Width, plan.Height)), plan.EndImage!, "last frame");
        Tensor whole = cat([.. new[] { first, last }.Select(p => encoder.Encode(VideoFrames.ToModelInput(p).unsqueeze(0)))])
            .reshape(1, -1, encoder.Config.Dim);

        var stages = new ClipStages(model.Components, plan);
        EncodedImages seen = stages.EncodeImages(plan.StartImage!, plan.EndImage, plan.SeenImages),
            fitted = stages.EncodeImages(plan.StartImage!, plan.EndImage);
        Comparison.RelativeL2(whole, seen.Tokens!, 1e-5, "tokens");
        Assert.True((fitted.Tokens! - whole).norm().item<float>() > 0.01 * whole.norm().item<float>(), "fitting changes the image");
        Comparison.Exact(fitted.Condition!, seen.Condition!, "condition");

        Tensor Frame(PipelineRequest request)
        {
            var frame = new FirstChunk();
            model.Variants.Own.Pipeline.Run(request, frame, cancellationToken: TestContext.Current.CancellationToken);
            return frame.Value!.to_type(ScalarType.Float32);
        }

        Assert.True((Frame(plan) - Frame(plan with { SeenImages = null })).abs().max().item<float>() > 0, "a generation shows them");
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

    private static byte[] Picture(int width, int height, int seed)
    {
        using var bitmap = new SkiaSharp.SKBitmap(width, height);
        var random = new Random(seed);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) bitmap.SetPixel(x, y, new SkiaSharp.SKColor((uint)random.Next() | 0xff000000));
        return Media.TestImages.Encode(bitmap, SkiaSharp.SKEncodedImageFormat.Png);
    }

    private sealed class FirstChunk : IVideoReceiver
    {
        public Tensor? Value { get; private set; }

        public void Begin(int video, ulong seed)
        {
        }

        public void Write(Tensor frames) => Value ??= frames.clone().DetachFromDisposeScope();

        public void End()
        {
        }
    }
}
