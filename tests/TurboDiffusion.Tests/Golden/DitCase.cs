using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Golden;

/// <summary>One forward pass of the transformer, in every variant, with its intermediate values.</summary>
public sealed class DitCase : IGoldenRunner
{
    public string Kind => "dit";

    public void Run(GoldenCase golden)
    {
        using WanModel model = Load(golden.Config, golden.Weights());
        var observed = new Dictionary<string, Tensor>();
        Tensor context = golden.Input("context");
        using CrossContext text = model.PrepareContext(context, golden.Has("input::image") ? golden.Input("image") : null,
            observe: (name, value) => observed[name] = value().clone().DetachFromDisposeScope());
        Tensor v = model.Forward(golden.Input("x"), golden.Input("t").flatten(), text,
            golden.Has("input::y") ? golden.Input("y") : null,
            observe: (name, value) => observed[name] = value().clone().DetachFromDisposeScope());
        try
        {
            foreach (string mid in golden.Tensors.Keys.Where(k => k.StartsWith("mid::", StringComparison.Ordinal)))
            {
                Assert.True(observed.TryGetValue(mid[5..], out Tensor? value), $"no intermediate value named {mid}");
                golden.Check(mid, value);
            }
            golden.Check("output::v", v);
        }
        finally
        {
            foreach (Tensor value in observed.Values) value.Dispose();
        }
    }

    /// <summary>The model that a golden configuration describes, with its weights.</summary>
    public static WanModel Load(JsonElement config, ICheckpoint weights, Placement? placement = null)
    {
        int Int(string name) => config.GetProperty(name).GetInt32();
        var dimensions = new WanConfig(Int("dim"), Int("ffn_dim"), Int("num_heads"), Int("num_layers"), Int("in_dim"), Int("out_dim"),
            Int("text_dim"), Int("freq_dim"), config.GetProperty("eps").GetDouble(),
            config.TryGetProperty("image_dim", out JsonElement image) ? image.GetInt32() : 0,
            config.TryGetProperty("image_positions", out JsonElement positions) ? positions.GetInt32() : 0);
        string kind = config.TryGetProperty("attention", out JsonElement attention) ? attention.GetString()! : "original";
        AttentionOptions options = kind switch
        {
            "original" => AttentionOptions.Dense,
            "sla" => AttentionOptions.Sla(config.GetProperty("topk").GetDouble()),
            "sagesla" => AttentionOptions.SageSla(config.GetProperty("topk").GetDouble()),
            _ => throw new InvalidOperationException($"unknown attention '{kind}'"),
        };
        bool quantized = config.TryGetProperty("quant", out JsonElement quant) && quant.GetBoolean();
        var model = new WanModel(dimensions, options, quantized ? WeightFormat.Int8 : WeightFormat.Float, placement ?? Placement.Cpu);
        StrictLoader.Load(model, weights);
        return model;
    }
}

/// <summary>Wan 2.2 TI2V: one timestep for each token, and one for all.</summary>
public sealed class DitTi2vCase : IGoldenRunner
{
    public string Kind => "dit_ti2v";

    public void Run(GoldenCase golden)
    {
        int Int(string name) => golden.Config.GetProperty(name).GetInt32();
        var config = new WanConfig(Int("dim"), Int("ffn_dim"), Int("num_heads"), Int("num_layers"), Int("in_dim"), Int("out_dim"),
            Int("text_dim"), Int("freq_dim"));
        using var model = new WanModel(config, AttentionOptions.Dense, WeightFormat.Float, Placement.Cpu);
        ICheckpoint weights = golden.Weights();
        StrictLoader.Load(model, CheckpointLayout.Detect(weights).Apply(weights));
        using CrossContext text = model.PrepareContext(golden.Input("text"));
        Tensor x = golden.Input("x"), t = golden.Input("timestep_t2v");
        golden.Check("output::t2v", model.Forward(x, t, text));
        golden.Check("output::i2v", model.Forward(x, golden.Input("timesteps_i2v"), text));
        // The same for all tokens, said for each.
        golden.Check("output::t2v", model.Forward(x, t.unsqueeze(1).expand(-1, golden.Input("timesteps_i2v").shape[1]), text));
    }
}
