using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Runtime;
using Xunit;

namespace TurboDiffusion.Tests.Golden;

/// <summary>Text encoding: hidden states and the zero-padded embedding, by the whole and by the streamed encoder.</summary>
public sealed class UMT5Golden : IGoldenRunner
{
    public string Kind => "umt5";

    public void Run(GoldenCase golden)
    {
        JsonElement c = golden.Config;
        UMT5Config config = new(
            c.GetProperty("vocab").GetInt64(), c.GetProperty("dim").GetInt64(), c.GetProperty("dim_attn").GetInt64(),
            c.GetProperty("dim_ffn").GetInt64(), c.GetProperty("num_heads").GetInt64(), c.GetProperty("num_layers").GetInt64(),
            c.GetProperty("num_buckets").GetInt64());
        Assert.False(c.GetProperty("shared_pos").GetBoolean());
        using var scope = torch.NewDisposeScope();
        using ICheckpoint weights = golden.Weights();
        Assert.Equal(config, UMT5Config.FromCheckpoint(weights));

        torch.Tensor ids = golden.Input("ids"), mask = golden.Input("mask");
        using var encoder = new UMT5Encoder(config, Placement.Cpu);
        StrictLoader.Load(encoder, weights);
        torch.Tensor hidden = encoder.Hidden(ids, mask);
        golden.Check("output::hidden", hidden);
        golden.Check("output::embedding", TextEmbedding.ZeroPastEnd(hidden, mask));
        golden.Check("output::embedding", encoder.Encode(ids, mask));

        using var streamed = new StreamedUMT5Encoder(weights, config, Placement.Cpu);
        golden.Check("output::embedding", streamed.Encode(ids, mask));
    }
}
