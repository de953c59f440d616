using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Tests;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Merging;
using Xunit;

namespace TurboDiffusion.Training.Tests.Merging;

public class CheckpointMergeTests
{
    [Fact]
    public void The_weighted_change_is_applied_and_every_other_tensor_is_accounted_for()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        using var baseModel = new MemoryCheckpoint(("w", torch.tensor([1f, 2f])), ("narrow", torch.tensor([1f]).bfloat16()),
            ("base only", torch.tensor([9f])))
        {
            Metadata = new Dictionary<string, string> { ["model"] = "rcm" },
        };
        using var from = new MemoryCheckpoint(("w", torch.tensor([10f, 20f])), ("narrow", torch.tensor([0f])), ("old", torch.zeros(1)));
        using var tuned = new MemoryCheckpoint(("w", torch.tensor([11f, 24f])), ("narrow", torch.tensor([2f])),
            ("proj_l", torch.tensor([5f])));

        MergeReport report = CheckpointMerge.Merge(baseModel, from, tuned, 0.5, folder.File("merged.safetensors"),
            cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["w", "narrow"], report.Merged);
        Assert.Equal(["proj_l"], report.CarriedFromTuned);
        Assert.Equal(["base only"], report.KeptFromBase);
        Assert.Equal(["old"], report.Ignored);

        using SafetensorsFile merged = SafetensorsFile.Open(folder.File("merged.safetensors"));
        Assert.Equal(4, merged.Tensors.Count);
        Assert.Equal("rcm", merged.Metadata["model"]);
        Comparison.Exact(torch.tensor([1.5f, 4f]), merged.Read("w"), "w");
        Assert.Equal(torch.ScalarType.BFloat16, merged.Tensors["narrow"].Dtype);
        Comparison.Exact(torch.tensor([2f]), merged.Read("narrow"), "narrow");
        Comparison.Exact(torch.tensor([5f]), merged.Read("proj_l"), "proj_l");
        Comparison.Exact(torch.tensor([9f]), merged.Read("base only"), "base only");
    }

    [Fact]
    public void Merging_a_change_in_full_into_what_it_began_from_gives_what_it_ended_with()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        using var from = new MemoryCheckpoint(("w", torch.tensor([0.25f, -8f])));
        using var tuned = new MemoryCheckpoint(("w", torch.tensor([0.5f, 3f])));
        CheckpointMerge.Merge(from, from, tuned, 1, folder.File("m.safetensors"), cancellationToken: TestContext.Current.CancellationToken);
        using SafetensorsFile merged = SafetensorsFile.Open(folder.File("m.safetensors"));
        Comparison.Exact(tuned.Read("w"), merged.Read("w"), "w");
    }

    [Fact]
    public void What_cannot_be_merged_is_refused_and_leaves_no_file()
    {
        using var folder = new TestFolder();
        using var model = new MemoryCheckpoint(("w", torch.zeros(2)));
        using var wider = new MemoryCheckpoint(("w", torch.zeros(3)));
        using var quantized = new MemoryCheckpoint(("w", torch.zeros(2, dtype: torch.ScalarType.Int8)));
        string output = folder.File("m.safetensors");
        CancellationToken token = TestContext.Current.CancellationToken;
        Assert.Contains("[3]", Assert.Throws<CheckpointException>(() =>
            CheckpointMerge.Merge(model, model, wider, 1, output, null, token)).Message);
        Assert.Contains("quantize", Assert.Throws<CheckpointException>(() =>
            CheckpointMerge.Merge(model, quantized, model, 1, output, null, token)).Message);
        Assert.Throws<InvalidRequestException>(() => CheckpointMerge.Merge(model, model, model, double.NaN, output, null, token));
        Assert.Empty(Directory.GetFiles(folder.Path));
    }
}
