using System.Text.Json;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Clip;
using TurboDiffusion.Runtime;
using Xunit;

namespace TurboDiffusion.Tests.Golden;

/// <summary>The CLIP image encoder: images to tokens.</summary>
public sealed class ClipCase : IGoldenRunner
{
    public string Kind => "clip";

    public void Run(GoldenCase golden)
    {
        JsonElement config = golden.Config;
        int Int(string name) => config.GetProperty(name).GetInt32();
        var sizes = new ClipConfig(Int("dim"), Int("hidden_dim"), Int("num_heads"), Int("num_layers"), Int("patch_size"),
            Int("image_size") / Int("patch_size"));
        using var encoder = new ClipVisionEncoder(sizes, Placement.Cpu);
        StrictLoader.Load(encoder, golden.Weights());
        golden.Check("output::tokens", encoder.Encode(golden.Input("images"), TestContext.Current.CancellationToken));
    }
}
