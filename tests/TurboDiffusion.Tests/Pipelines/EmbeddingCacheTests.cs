using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Tests.Generation;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Pipelines;

public class EmbeddingCacheTests(SmallModelFixture models)
{
    [Fact]
    public void A_prompt_that_comes_again_needs_no_text_encoder_and_gives_the_same_video()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo,
            new VideoModelOptions { Device = "cpu", Residency = Residency.Staged });
        int encoders = 0;
        ModelSlot<ITextEncoder> own = model.Components.TextEncoder;
        using var pipeline = new WanPipeline(model.Components with
        {
            TextEncoder = new ModelSlot<ITextEncoder>((_, ct) =>
            {
                encoders++;
                return own.Get(null, ct);
            }, keepLoaded: false),
        });
        float[] Run(string prompt, double guidance = 1)
        {
            var frames = new Frames();
            pipeline.Run(model.Check(models.Request(prompt) with { GuidanceScale = guidance }), frames,
                cancellationToken: TestContext.Current.CancellationToken);
            return [.. frames.Values];
        }
        float[] first = Run("a cat"), dog = Run("a dog"), again = Run("a cat");
        Assert.Equal(2, encoders);
        Assert.Equal(first, again);
        Assert.NotEqual(first, dog);
        // With guidance, the negative prompt is encoded too.
        Run("a cat", guidance: 2);
        Run("a cat", guidance: 3);
        Assert.Equal(3, encoders);
    }

    [Fact]
    public void It_holds_so_many_bytes_and_forgets_what_was_not_asked_for_longest()
    {
        using var scope = NewDisposeScope();
        var tensors = new List<Tensor>();
        PromptEmbeddings Of(bool negative = false)
        {
            tensors.Add(zeros(1, 8, 4));
            return new(tensors[^1], negative ? zeros(1, 8, 4) : null);
        }
        using (var cache = new EmbeddingCache(3 * 8 * 4 * sizeof(float)))
        {
            foreach (string prompt in new[] { "a", "b", "c" }) cache.Add(prompt, null, Of());
            Assert.NotNull(cache.Find("a", null));
            Assert.Null(cache.Find("a", "bad"));
            cache.Add("d", null, Of());
            Assert.Null(cache.Find("b", null));
            Assert.Equal(3, cache.Count);
            cache.Add("e", "bad", Of(negative: true));
            Assert.Equal(2, cache.Count);
            // One alone that is larger than the bound is kept: it is in use.
            cache.Add("f", null, new(zeros(1, 800, 4), null));
            Assert.Equal(1, cache.Count);
        }
        Assert.All(tensors, tensor => Assert.True(tensor.IsInvalid));
    }

    private sealed class Frames : IVideoReceiver
    {
        public List<float> Values { get; } = [];

        public void Begin(int video, ulong seed)
        {
        }

        public void Write(Tensor frames) => Values.AddRange(frames.to_type(ScalarType.Float32).data<float>().ToArray());

        public void End()
        {
        }
    }
}
