using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using Xunit;

namespace TurboDiffusion.Tests.Generation;

public class MemoryPlanTests(SmallModelFixture models)
{
    private const double GB = 1e9;

    private static readonly ClipExtent At480 = new(new(832, 480), 81), At720 = new(new(1280, 720), 81);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, WeightFormat.Float)]
    [InlineData(true, WeightFormat.Float)]
    [InlineData(false, WeightFormat.Int8)]
    public void The_weights_of_a_plan_are_the_bytes_of_the_loaded_tensors(bool tiny, WeightFormat text)
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo,
            new VideoModelOptions { Device = "cpu", TinyVae = tiny, TextEncoderWeights = text });
        ModelFootprint footprint = model.Footprints(onGpu: false)[0].Model;
        long Loaded(object part) => ((torch.nn.Module)part).state_dict().Values.Sum(t => t.numel() * ScalarTypes.Bytes(t.dtype));
        Assert.Equal(Loaded(model.Components.Experts[0].Get(null, Token)), Assert.Single(footprint.ExpertBytes));
        Assert.Equal(Loaded(model.Components.Vae.Get(null, Token)), footprint.VaeBytes);
        Assert.Equal(Loaded(model.Components.TextEncoder.Get(null, Token)), footprint.TextEncoderBytes);

        MemoryPlan resident = MemoryPlan.Of(footprint, new(new(64, 64), 5), Residency.Resident),
            staged = MemoryPlan.Of(footprint, new(new(64, 64), 5, FromImage: true), Residency.Staged);
        Assert.All(resident.Stages, s => Assert.Equal(footprint.ExpertBytes[0] + footprint.VaeBytes + footprint.TextEncoderBytes,
            s.WeightBytes));
        Assert.Equal([GenerationStage.EncodingText, GenerationStage.EncodingImage, GenerationStage.Denoising, GenerationStage.Decoding],
            staged.Stages.Select(s => s.Stage));
        Assert.Equal([footprint.VaeBytes, footprint.ExpertBytes[0], footprint.VaeBytes], staged.Stages.Skip(1).Select(s => s.WeightBytes));
        Assert.True(staged.Stages[0].WeightBytes < footprint.TextEncoderBytes);
    }

    [Fact]
    public void A_published_model_is_counted_as_its_modules_are()
    {
        ModelFootprint small = Footprint(ModelSpec.T2V1_3B), large = Footprint(ModelSpec.T2VA14B);
        // 1.4 and 14 billion weights, a byte each in the blocks; umT5-xxl, 5.7 billion in two bytes; the VAE, 127 million.
        Assert.InRange(small.ExpertBytes[0], 1.4 * GB, 1.6 * GB);
        Assert.Equal(2, large.ExpertBytes.Count);
        Assert.InRange(large.ExpertBytes[1], 14 * GB, 15 * GB);
        Assert.InRange(small.TextEncoderBytes, 11.3 * GB, 11.4 * GB);
        Assert.InRange(small.VaeBytes, 0.25 * GB, 0.26 * GB);
        Assert.InRange(Footprint(ModelSpec.T2V1_3B, WeightFormat.Float).ExpertBytes[0], 2.8 * GB, 2.95 * GB);
    }

    [Fact]
    public void A_text_encoder_in_int8_takes_a_byte_for_each_weight_of_its_blocks()
    {
        ModelFootprint floats = Footprint(ModelSpec.T2V1_3B), ints = ModelFootprint.Of(ModelSpec.T2V1_3B, AttentionOptions.SageSla(),
            WeightFormat.Int8, onGpu: true, textEncoderWeights: WeightFormat.Int8);
        // umT5-xxl: 4.63 billion weights in its blocks, and a table of 1.05 billion in two bytes.
        Assert.InRange(ints.TextEncoderBytes, 6.7 * GB, 6.8 * GB);
        Assert.InRange(ints.TextBlockBytes / (double)floats.TextBlockBytes, 0.5, 0.51);
        long Resident(ModelFootprint model) => MemoryPlan.Of(model, At480, Residency.Resident).Peak.WeightBytes;
        Assert.Equal(floats.TextEncoderBytes - ints.TextEncoderBytes, Resident(floats) - Resident(ints));
        MemoryStage Text(ModelFootprint model) => MemoryPlan.Of(model, At480, Residency.Staged).Stages[0];
        Assert.Equal(ints.TextBlockBytes, Text(ints).WeightBytes);
        // One layer in bfloat16 beside it.
        Assert.Equal(2 * 4096 * 10240, Text(ints).WorkingBytes - Text(floats).WorkingBytes);
    }

    [Fact]
    public void Decoding_is_planned_in_the_form_of_the_card()
    {
        Assert.Equal([true, true, false, false], new[] { "H100", "h200", "A100", "80GB" }.Select(name => Card.Find(name).IsHopper));
        ModelFootprint model = Footprint(ModelSpec.T2V1_3B);
        long Decoding(ModelFootprint of, Residency residency) =>
            MemoryPlan.Of(of, At720, residency).Stages.Single(s => s.Stage == GenerationStage.Decoding).WorkingBytes;
        foreach (bool inFrames in new[] { false, true })
            foreach ((Residency residency, long budget) in new[]
                     {
                         (Residency.Resident, WanVae.UsualDecodeBudget), (Residency.Staged, WanVae.LowDecodeBudget),
                     })
                Assert.Equal(DecodePlan.Within(VaeConfig.Wan21, (21, 90, 160), 2, budget, onGpu: true, inFrames).Peak,
                    Decoding(model with { DecodesInFrames = inFrames }, residency));
    }

    [Fact]
    public void The_fused_step_takes_what_was_measured()
    {
        // bench on an H100 80GB, the CUDA context included: 4.1 GB at 1.3B 480p, 44.6 GB with both experts of A14B at 720p.
        foreach ((ModelSpec spec, ClipExtent clip, double measured) in new[]
                 {
                     (ModelSpec.T2V1_3B, At480, 4.1 * GB), (ModelSpec.T2VA14B, At720, 44.6 * GB),
                 })
        {
            ModelFootprint model = Footprint(spec);
            long working = MemoryPlan.Of(model, clip, Residency.Staged).Stages.Single(s => s.Stage == GenerationStage.Denoising)
                .WorkingBytes;
            Assert.InRange((model.ExpertBytes.Sum() + working) / measured, 0.95, 1.1);
        }
    }

    [Fact]
    public void Weights_stay_where_they_fit_and_else_come_one_model_at_a_time_and_else_one_block()
    {
        ModelFootprint model = Footprint(ModelSpec.T2V14B);
        long resident = MemoryPlan.Of(model, At480, Residency.Resident).Peak.Bytes,
            staged = MemoryPlan.Of(model, At480, Residency.Staged).Peak.Bytes,
            swapped = MemoryPlan.Of(model, At480, Residency.Swapped).Peak.Bytes;
        Assert.True(swapped < staged && staged < resident);
        Assert.Equal(Residency.Resident, MemoryPlan.Choose(model, At480, resident)!.Residency);
        Assert.Equal(Residency.Staged, MemoryPlan.Choose(model, At480, resident - 1)!.Residency);
        Assert.Equal(Residency.Staged, MemoryPlan.Choose(model, At480, staged)!.Residency);
        Assert.Equal(Residency.Swapped, MemoryPlan.Choose(model, At480, staged - 1)!.Residency);
        Assert.Equal(Residency.Swapped, MemoryPlan.Choose(model, At480, swapped)!.Residency);
        Assert.Null(MemoryPlan.Choose(model, At480, swapped - 1));
        Assert.Equal(swapped, MemoryPlan.Least(model, At480).Peak.Bytes);
        // The CPU's memory is the host's.
        Assert.Null(MemoryPlan.Choose(model with { OnGpu = false }, At480, swapped));
        Assert.Equal(Residency.Staged, MemoryPlan.Least(model with { OnGpu = false }, At480).Residency);
    }

    [Fact]
    public void Of_a_swapped_transformer_two_blocks_and_what_is_no_block_are_on_the_GPU()
    {
        ModelFootprint one = Footprint(ModelSpec.T2V14B), two = Footprint(ModelSpec.T2VA14B);
        MemoryPlan plan = MemoryPlan.Of(one, At480, Residency.Swapped), both = MemoryPlan.Of(two, At480, Residency.Swapped);
        // Rounded up to where a tensor may begin.
        Assert.InRange(one.SwappedBytes / (double)one.ExpertBytes[0], 0.9, 1);
        long rest = one.ExpertBytes[0] - one.SwappedBytes;
        MemoryStage Denoising(MemoryPlan of) => of.Stages.Single(s => s.Stage == GenerationStage.Denoising);
        Assert.Equal(rest + 2 * one.BlockBytes, Denoising(plan).WeightBytes);
        Assert.Equal(2 * Denoising(plan).WeightBytes, Denoising(both).WeightBytes);
        Assert.Equal((40 * one.BlockBytes, 80 * one.BlockBytes), (plan.HostBytes, both.HostBytes));
        Assert.Equal(one.VaeBytes + Denoising(plan).WeightBytes, plan.Stages[^1].WeightBytes);
        // What issue and page promise: 14B within a card of 12 GB, both experts of A14B within one of 16.
        Assert.True(plan.Peak.Bytes <= Card.Find("12GB").AvailableBytes);
        Assert.True(both.Peak.Bytes <= Card.Find("16GB").AvailableBytes);
    }

    [Fact]
    public void A_swapped_step_takes_as_long_as_the_slower_of_computing_and_copying()
    {
        ModelFootprint model = Footprint(ModelSpec.T2V14B);
        double Step(Residency residency, ClipExtent clip) =>
            TimeEstimate.Of(Card.Find("H100"), model, clip, 1, residency)!.Denoising;
        // 14 GB at 55 GB/s; a step of 81 frames computes for longer, one of 5 frames does not.
        double transfer = model.SwappedBytes / 55e9;
        Assert.Equal(Step(Residency.Resident, At480), Step(Residency.Swapped, At480));
        ClipExtent shorter = At480 with { Frames = 5 };
        Assert.True(Step(Residency.Resident, shorter) < transfer);
        Assert.Equal(transfer, Step(Residency.Swapped, shorter));
        Assert.Contains("at 55 GB/s", TimeEstimate.Of(Card.Find("H100"), model, At480, 4, Residency.Swapped)!.Basis);
    }

    [Fact]
    public void The_nearest_request_fits_and_the_next_larger_does_not()
    {
        ModelFootprint model = Footprint(ModelSpec.T2V14B), wide = Footprint(ModelSpec.T2V14B, WeightFormat.Float);
        long available = Card.Find("12GB").AvailableBytes;
        Assert.Null(MemoryPlan.Choose(model, At720, available));
        IReadOnlyList<NearestRequest> nearest = NearestRequest.Find([(null, wide), ("int8 weights", model)], At720, available);
        Assert.Equal(2, nearest.Count);
        Assert.All(nearest, n => Assert.True(n.Plan.Peak.Bytes <= available));
        Assert.All(nearest, n => Assert.StartsWith("int8 weights, --residency swapped", n.Changes));
        Assert.Equal((At720.Size, At720.Frames), (nearest[0].Clip.Size, nearest[1].Clip.Frames));
        Assert.Null(MemoryPlan.Choose(model, nearest[0].Clip with { Frames = nearest[0].Clip.Frames + 4 }, available));
        // Nothing helps where the weights alone are too many.
        Assert.Empty(NearestRequest.Find([(null, model)], At720, 1L << 30));
        Assert.Contains("another card", NearestRequest.Remedy([]));
    }

    [Fact]
    public void A_refused_generation_names_the_nearest_one()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, new VideoModelOptions { Device = "cpu" });
        var error = Assert.Throws<InsufficientMemoryException>(
            () => model.Check(models.Request() with { Size = new(8192, 8192), Frames = 1025 }));
        Assert.Contains("Nearest that fit:", error.Message);
    }

    [Theory]
    [InlineData("NVIDIA GeForce RTX 4090", "RTX 4090", 24)]
    [InlineData("rtx4090", "RTX 4090", 24)]
    [InlineData("h100", "H100", 80)]
    [InlineData("12 GB", "a GPU of 12 GiB", 12)]
    [InlineData("16GiB", "a GPU of 16 GiB", 16)]
    public void Cards_go_by_name_or_memory(string asked, string name, long gib)
    {
        Card card = Card.Find(asked);
        Assert.Equal((name, gib << 30), (card.Name, card.Bytes));
        Assert.Throws<InvalidRequestException>(() => Card.Find("Voodoo 2"));
        Assert.Throws<InvalidRequestException>(() => Card.Find("0GB"));
    }

    private static ModelFootprint Footprint(ModelSpec spec, WeightFormat weights = WeightFormat.Int8) =>
        ModelFootprint.Of(spec, AttentionOptions.SageSla(), weights, onGpu: true);
}
