using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

public class CheckpointLayoutTests
{
    public static TheoryData<string, ModelKind> Everything() =>
    [
        .. Manifests.Transformers.Select(m => (m, ModelKind.Transformer)),
        (Manifests.Vae, ModelKind.Vae),
        (Manifests.TextEncoder, ModelKind.TextEncoder),
    ];

    [Theory]
    [MemberData(nameof(Everything))]
    public void The_layout_is_told_from_names_and_shapes(string manifest, ModelKind kind)
    {
        HeaderCheckpoint native = Manifests.Load(manifest);
        foreach (KeyRuleSet layout in (IReadOnlyList<KeyRuleSet>)(kind switch
        {
            ModelKind.Transformer => WanLayouts.All,
            ModelKind.Vae => VaeLayouts.All,
            _ => UMT5Layouts.All,
        }))
        {
            if (layout.Inverse.Problems(native).Count > 0) continue; // diffusers has no SLA.
            foreach (string prefix in layout == WanLayouts.Turbo ? (string[])["", "net.", "module.net_ema."] : [""])
            {
                ICheckpoint file = Prefixed(layout.Inverse.Apply(native), prefix);
                CheckpointLayout found = CheckpointLayout.Detect(file);
                Assert.Equal(kind, found.Kind);
                Assert.Equal(prefix, found.Prefix);
                Assert.Same(layout, found.Rules);
                Assert.Equal(HeaderCheckpoint.Describe(native), HeaderCheckpoint.Describe(found.Apply(file)));
            }
        }
    }

    [Fact]
    public void An_empty_name_is_refused_as_a_file_that_is_not_there_is() =>
        Assert.Contains("empty name", Assert.Throws<CheckpointException>(() => Checkpoint.OpenModel("")).Message);

    [Fact]
    public void A_Turbo_file_may_stand_behind_ComfyUIs_prefix()
    {
        HeaderCheckpoint native = Manifests.Load("Wan2.1-T2V-1.3B.sla");
        CheckpointLayout found = CheckpointLayout.Detect(Prefixed(native, "model.diffusion_model."));
        Assert.Same(WanLayouts.Turbo, found.Rules);
        Assert.Equal("Turbo behind 'model.diffusion_model.'", found.ToString());
    }

    [Theory]
    [InlineData("conv.weight", "holds 1 tensors of no known model: 'conv.weight'")]
    [InlineData("blocks.0.self_attn.q.lora_A.weight", "LoRA")]
    [InlineData("vace_patch_embedding.weight", "VACE")]
    [InlineData("control_adapter.conv.weight", "camera-control")]
    [InlineData("face_adapter.fuser_blocks.0.k_norm.weight", "Animate")]
    public void What_is_of_no_known_model_is_refused(string name, string reason) =>
        Assert.Contains(reason, Assert.Throws<CheckpointException>(() => CheckpointLayout.Detect(
            new HeaderCheckpoint([new TensorInfo(name, torch.ScalarType.Float32, [1])]))).Message);

    [Fact]
    public void Of_an_almost_known_model_the_difference_is_named()
    {
        TensorInfo[] tensors = [.. Manifests.Load("Wan2.1-T2V-1.3B.original").Tensors.Values];
        TensorInfo extra = new("blocks.0.extra", torch.ScalarType.Float32, [1]);
        CheckpointException e = Assert.Throws<CheckpointException>(() =>
            CheckpointLayout.Detect(new HeaderCheckpoint([.. tensors, extra])));
        Assert.Contains("closest to the Turbo layout, but 1 names match no rule: 'blocks.0.extra'", e.Message);
        var headless = new HeaderCheckpoint(tensors.Where(t => t.Name != "head.modulation"));
        Assert.Contains("expected names are missing: head.modulation",
            Assert.Throws<CheckpointException>(() => CheckpointLayout.Detect(headless)).Message);
    }

    [Fact]
    public void A_file_that_lacks_whole_blocks_is_refused()
    {
        var gap = new HeaderCheckpoint(Manifests.Load("Wan2.1-T2V-1.3B.original").Tensors.Values
            .Where(t => !t.Name.StartsWith("blocks.17.", StringComparison.Ordinal))
            .Append(new TensorInfo("blocks.999999.modulation", torch.ScalarType.Float32, [1])));
        CheckpointException e = Assert.Throws<CheckpointException>(() => CheckpointLayout.Detect(gap).Apply(gap));
        Assert.Contains("has 30 of the blocks blocks.0 to blocks.999999; blocks.17 is missing", e.Message);
    }

    private static HeaderCheckpoint Prefixed(ICheckpoint checkpoint, string prefix) =>
        new(checkpoint.Tensors.Values.Select(t => t with { Name = prefix + t.Name }));
}
