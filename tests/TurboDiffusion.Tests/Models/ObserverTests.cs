using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Int8;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Operators;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

/// <summary>Watching a transformer never changes what it computes.</summary>
public class ObserverTests
{
    private static readonly WanConfig Config = new(256, 640, 2, 2, textDim: 32, freqDim: 32);

    public static TheoryData<AttentionKind, WeightFormat> Variants =>
        [.. from kind in Enum.GetValues<AttentionKind>() from weights in Enum.GetValues<WeightFormat>() select (kind, weights)];

    [Theory]
    [MemberData(nameof(Variants))]
    public void The_velocity_is_the_same_to_the_bit(AttentionKind kind, WeightFormat weights) =>
        Check(CPU, ScalarType.Float32, kind, weights);

    // Fused kernels round otherwise than the operators that they replace: one that watching split would show.
    [Theory]
    [MemberData(nameof(Variants))]
    [Trait("Category", "Gpu")]
    public void The_velocity_of_the_kernels_is_the_same_to_the_bit(AttentionKind kind, WeightFormat weights) =>
        Check(KernelConformance.RequireGpu(), ScalarType.BFloat16, kind, weights);

    [Fact]
    public void Every_value_is_told_in_the_order_of_the_formula()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using WanModel model = Model(CPU, ScalarType.Float32, AttentionKind.Dense, WeightFormat.Float);
        var names = new List<string>();
        Run(model, CPU, (name, _) => names.Add(name)).Dispose();
        string[] block = ["norm1", "self_attn.q", "self_attn.k", "self_attn.v", "self_attn.attn_op", "self_attn", "norm3", "cross_attn.q",
            "cross_attn.attn_op", "cross_attn", "norm2", "ffn.0", "ffn"];
        Assert.Equal(
            ["text_embedding", "patch_embedding", "time_embedding", "time_projection", "rotary",
                .. block.Select(n => $"blocks.0.{n}"), "blocks.0", .. block.Select(n => $"blocks.1.{n}"), "blocks.1", "head"], names);
    }

    private static void Check(Device device, ScalarType dtype, AttentionKind kind, WeightFormat weights)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using WanModel model = Model(device, dtype, kind, weights);
        int told = 0;
        Tensor unwatched = Run(model, device, null), watched = Run(model, device, (_, value) =>
        {
            Assert.True(value().isfinite().all().item<bool>());
            told++;
        });
        Comparison.Exact(unwatched, watched, $"{kind}, {weights}");
        Assert.True(told > 30);
    }

    private static WanModel Model(Device device, ScalarType dtype, AttentionKind kind, WeightFormat weights)
    {
        AttentionOptions attention = AttentionOptions.Of(kind, 0.5);
        using var shapes = new WanModel(Config, attention, WeightFormat.Float, Placement.Meta);
        var model = new WanModel(Config, attention, weights, new Placement(device, dtype));
        ICheckpoint random = new RandomCheckpoint(shapes, 4);
        StrictLoader.Load(model, weights == WeightFormat.Int8 ? new QuantizedCheckpoint(random, WanCheckpoint.Int8Layers) : random);
        return model;
    }

    private static Tensor Run(WanModel model, Device device, Observer? observe)
    {
        using var scope = NewDisposeScope();
        Tensor latents = KernelConformance.Random(device, 1, ScalarType.Float32, 1, Config.InDim, 3, 16, 24);
        using CrossContext text = model.PrepareContext(KernelConformance.Random(device, 2, ScalarType.Float32, 1, 16, Config.TextDim),
            observe: observe);
        return model.Forward(latents, tensor(new[] { 700.0 }, device: device), text, observe: observe).MoveToOuterDisposeScope();
    }
}
