using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Sampling;
using Xunit;

namespace TurboDiffusion.Tests.Generation;

/// <summary>LoRAs that a request brings, and how many of them stay merged.</summary>
public class RequestLoraTests(SmallModelFixture models)
{
    private static readonly VideoModelOptions Cpu = new() { Device = "cpu" };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(WeightFormat.Float, Residency.Staged)]
    [InlineData(WeightFormat.Int8, Residency.Swapped)]
    public void A_requests_LoRAs_give_what_a_model_opened_with_them_gives(WeightFormat weights, Residency residency)
    {
        LoraOptions first = Lora("first", 1), second = new(Lora("second", 2).Path) { Strength = 0.5 };
        VideoModelOptions options = Cpu with { Weights = weights, Residency = Residency.Resident };
        using VideoModel model = VideoModel.Open(models.TextToVideo, options with { Loras = [first], Residency = residency });
        Assert.Equal(With(options, first), Video(model, null));
        Assert.Equal(With(options, second), Video(model, [second]));
        Assert.Equal(With(options, first, second), Video(model, [first, second]));
        Assert.Equal(With(options), Video(model, []));
        Assert.Equal(With(options, first), Video(model, null));
        Assert.NotEqual(With(options, first), With(options, second));
        VideoResult result = Assert.Single(model.Generate(models.Request() with { Loras = [second] }, cancellationToken: Token));
        Assert.Equal(["second.safetensors:0.5"], result.Model.Loras);

        byte[] With(VideoModelOptions how, params LoraOptions[] loras)
        {
            using VideoModel alone = VideoModel.Open(models.TextToVideo, how with { Loras = loras });
            return Video(alone, null);
        }
    }

    [Fact]
    public void Sets_are_kept_up_to_a_number_and_the_least_recently_used_goes()
    {
        LoraOptions[] loras = [.. Enumerable.Range(1, 3).Select(i => Lora($"lora{i}", (ulong)i))];
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu with { MaxLoraSets = 2 });
        ModelVariant[] variants = [.. loras.Take(2).Select(Used)];
        Assert.True(model.Variants.Count == 2 && variants.All(v => v.IsLoaded));
        Assert.Same(variants[0], Used(loras[0]));
        ModelVariant third = Used(loras[2]);
        Assert.Equal((2, true, false, true), (model.Variants.Count, variants[0].IsLoaded, variants[1].IsLoaded, third.IsLoaded));
        Assert.NotSame(variants[1], model.Variants.Get([loras[1]]));

        ModelVariant Used(LoraOptions lora)
        {
            Video(model, [lora]);
            return model.Variants.Get([lora]);
        }
    }

    [Fact]
    public void With_none_to_keep_a_set_is_freed_after_its_request_and_failing_ones_leave_nothing()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu with { MaxLoraSets = 0 });
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Video(model, [Lora("lora", 1)]);
        Assert.Equal(0, model.Variants.Count);
        Assert.Throws<CheckpointException>(() => Video(model, [new LoraOptions("/nowhere.safetensors")]));
        LoraOptions other = Lora("other", 1, width: 64);
        Assert.Contains("of other sizes", Assert.Throws<CheckpointException>(() => Video(model, [other])).Message);
        Assert.Equal(0, model.Variants.Count);
        Video(model, [Lora("lora", 1)]);
        long once = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Video(model, [Lora("lora", 1)]);
        Assert.True(before <= once);
        Assert.Equal(once, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void A_changed_file_is_read_anew_and_a_distillation_sets_the_sampler_of_its_request_alone()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, Cpu);
        LoraOptions lora = Lora("style", 1);
        byte[] one = Video(model, [lora]);
        Lora("style", 2, rank: 3);
        Assert.NotEqual(one, Video(model, [lora]));

        LoraOptions distilled = Lora("distilled", 1, distillation: true);
        Assert.Equal((SamplerKind.Euler, 4), Sampler(models.Request() with { Steps = null, Loras = [distilled] }));
        Assert.Equal(SamplerKind.Rcm, Sampler(models.Request() with { Loras = [] }).Kind);
        Assert.Single(model.WarningsOf(models.Request() with { Loras = [Lora("more", 1, unknown: true)] }));
        Assert.Empty(model.WarningsOf(models.Request()));

        (SamplerKind Kind, int Steps) Sampler(VideoRequest request)
        {
            using var scope = torch.NewDisposeScope();
            SamplerOptions sampler = model.Plan(request).Sampler;
            return (sampler.Kind, sampler.Steps);
        }
    }

    private readonly string _folder = models.NewFolder();

    private byte[] Video(VideoModel model, IReadOnlyList<LoraOptions>? loras)
    {
        VideoRequest request = models.Request() with { Loras = loras, Steps = 1 };
        string path = Path.ChangeExtension(request.OutputPath, ".gif");
        // The file names the LoRAs: of the video, only the frames count.
        var frames = new Frames();
        model.Generate(request with { OutputPath = path }, observer: frames, cancellationToken: Token);
        return [.. frames.Bytes];
    }

    private LoraOptions Lora(string name, ulong seed, int width = 128, int rank = 2, bool distillation = false, bool unknown = false)
    {
        using var scope = torch.NewDisposeScope();
        string path = Path.Combine(_folder, name + ".safetensors");
        torch.Tensor Normal(params long[] shape) => torch.randn(shape, generator: new torch.Generator(seed));
        List<TensorSource> tensors =
        [
            TensorSource.From("diffusion_model.blocks.0.ffn.0.lora_down.weight", Normal(rank, width)),
            TensorSource.From("diffusion_model.blocks.0.ffn.0.lora_up.weight", Normal(2 * width, rank)),
        ];
        if (distillation) tensors.Add(TensorSource.From("diffusion_model.blocks.0.ffn.0.diff_b", Normal(2 * width)));
        if (unknown) tensors.Add(TensorSource.From("diffusion_model.img_emb.proj.1.diff_b", Normal(8)));
        SafetensorsWriter.Write(path, tensors);
        return new LoraOptions(path);
    }

    private sealed class Frames : IVideoObserver
    {
        public List<byte> Bytes { get; } = [];

        public void Write(torch.Tensor levels) => Bytes.AddRange(levels.bytes.ToArray());
    }
}
