using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Attention;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Golden;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

/// <summary>Every preset and variant on the meta device against the published names, types and shapes, both ways.</summary>
public class ManifestTests
{
    [Theory]
    [InlineData("Wan2.1-T2V-1.3B", "original")]
    [InlineData("Wan2.1-T2V-1.3B", "sla")]
    [InlineData("Wan2.1-T2V-1.3B", "sla-quant")]
    [InlineData("Wan2.1-T2V-14B", "original")]
    [InlineData("Wan2.1-T2V-14B", "sla")]
    [InlineData("Wan2.1-T2V-14B", "sla-quant")]
    [InlineData("Wan2.2-I2V-A14B", "original")]
    [InlineData("Wan2.2-I2V-A14B", "sla")]
    [InlineData("Wan2.2-I2V-A14B", "sla-quant")]
    public void The_transformer_has_the_published_tensors(string preset, string variant)
    {
        WanConfig config = WanPreset.Find(preset).Config;
        using var model = new WanModel(config, variant == "original" ? AttentionOptions.Dense : AttentionOptions.Sla(),
            variant == "sla-quant" ? WeightFormat.Int8 : WeightFormat.Float, Placement.Meta);
        Manifest.Check($"{preset}.{variant}", model);
    }
}

internal static class Manifest
{
    /// <summary>Compares a module's state with a manifest of the golden folder.</summary>
    public static void Check(string name, nn.Module module)
    {
        using JsonDocument manifest = JsonDocument.Parse(File.ReadAllText(GoldenFixtures.Require("manifests", name + ".json")));
        var expected = manifest.RootElement.GetProperty("tensors").EnumerateObject()
            .Select(t => $"{t.Name} {t.Value[0].GetString()} [{string.Join(", ", t.Value[1].EnumerateArray())}]").ToHashSet();
        var actual = module.state_dict()
            .Select(t => $"{t.Key} {t.Value.dtype.ToString().ToLowerInvariant()} [{string.Join(", ", t.Value.shape)}]").ToHashSet();
        Assert.Empty(expected.Except(actual));
        Assert.Empty(actual.Except(expected));
    }
}
