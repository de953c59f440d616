using TorchSharp;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Golden;

/// <summary>Sparse-linear attention: block map, output, and all gradients.</summary>
public sealed class SlaCase : IGoldenRunner
{
    public string Kind => "sla";

    public void Run(GoldenCase golden)
    {
        AttentionOptions options = AttentionGoldens.Options(golden);
        Tensor q = golden.Input("q").requires_grad_(), k = golden.Input("k").requires_grad_(), v = golden.Input("v").requires_grad_();
        using var attention = new SparseLinearAttention(options, (int)q.shape[3], Placement.Cpu);
        AttentionGoldens.LoadProjection(attention, golden);
        attention.Projection.Weight.requires_grad_();
        attention.Projection.Bias!.requires_grad_();

        AttentionGoldens.CheckBlockMap(golden, q, k, options);
        Tensor o = attention.call(q, k, v);
        golden.Check("output::o", o);
        o.backward([golden.Input("grad_out")]);

        double limit = golden.Tolerance.GetProperty("grad_rel_l2").GetDouble();
        foreach ((string name, Tensor? gradient) in new[]
                 {
                     ("grad_q", q.grad), ("grad_k", k.grad), ("grad_v", v.grad),
                     ("grad_proj_l.weight", attention.Projection.Weight.grad), ("grad_proj_l.bias", attention.Projection.Bias!.grad),
                 })
        {
            Assert.NotNull(gradient);
            Comparison.RelativeL2(golden.Output(name), gradient, limit, name);
        }
    }
}

/// <summary>
/// SageSLA: the int8 values and scales exactly, the output within the tolerance; where it is the official kernel's, which rounds in
/// another order, also no further from the exact result than it.
/// </summary>
public sealed class SageSlaCase : IGoldenRunner
{
    public string Kind => "sagesla";

    public void Run(GoldenCase golden)
    {
        AttentionOptions options = AttentionGoldens.Options(golden);
        Tensor q = golden.Input("q"), k = golden.Input("k"), v = golden.Input("v");
        Assert.True(golden.Tolerance.GetProperty("quant_exact").GetBoolean());
        (Tensor qInt8, Tensor qScale) = SageQuantization.QuantizeQueries(q, options.QueryBlock);
        (Tensor kInt8, Tensor kScale) = SageQuantization.QuantizeKeys(k, options.KeyBlock);
        Comparison.Exact(golden.Read("mid::q_int8"), qInt8, "q_int8");
        Comparison.Exact(golden.Read("mid::k_int8"), kInt8, "k_int8");
        Comparison.Elementwise(golden.Read("mid::q_scale"), qScale, 1e-6, 0, "q_scale");
        Comparison.Elementwise(golden.Read("mid::k_scale"), kScale, 1e-6, 0, "k_scale");

        Tensor kept = AttentionGoldens.CheckBlockMap(golden, q, k, options);
        using var attention = new SageSparseLinearAttention(options, (int)q.shape[3], Placement.Cpu);
        AttentionGoldens.LoadProjection(attention, golden);
        Tensor o = attention.call(q, k, v);
        golden.Check("output::o", o);

        // Over all keys, in the same formats. What the official kernel of SageSLA was measured to be off by.
        using var full = new SageAttention();
        double error = Comparison.RelativeL2(DenseAttention.Attend(Wide(q), Wide(k), Wide(v)), full.call(Wide(q), Wide(k), Wide(v)), 0.036,
            "SageAttention against float32");
        Console.WriteLine($"{System.IO.Path.GetFileName(golden.Path)}: SageAttention over all keys against float32: {error:G3}");

        if (!golden.Has("output::sparse_exact_f32")) return;
        Tensor exact = BlockSparseAttention.Attend(q, k, v, kept, options);
        Comparison.RelativeL2(golden.Output("sparse_exact_f32"), exact, 1e-5, "sparse_exact_f32");
        Tensor truth = exact + attention.Projection.call(LinearAttention.Attend(q, k, v));
        double official = (golden.Output("o").to_type(ScalarType.Float32) - truth).norm().item<float>() / truth.norm().item<float>();
        Comparison.RelativeL2(truth, o, official, "error against float32, limit = the official kernel's");
    }

    private static Tensor Wide(Tensor x) => x.to_type(ScalarType.Float32);
}

/// <summary>W8A8: int8 values and scales of weights and activations, and the product.</summary>
public sealed class Int8LinearCase : IGoldenRunner
{
    public string Kind => "int8_linear";

    public void Run(GoldenCase golden)
    {
        Tensor x = golden.Input("x"), w = golden.Input("w");
        CheckQuantization(golden, x, "x");
        CheckQuantization(golden, w, "w");
        using var layer = new Int8Linear(w.shape[1], w.shape[0], Placement.Cpu, bias: false);
        using (no_grad())
        {
            layer.get_parameter("int8_weight")!.copy_(golden.Output("w_int8"));
            layer.get_parameter("scale")!.copy_(golden.Output("w_scale"));
        }
        golden.Check("output::y", layer.call(x));
        Comparison.RelativeL2(golden.Output("y_f32"), layer.call(x.to_type(ScalarType.Float32)),
            (golden.Output("y").to_type(ScalarType.Float32) - golden.Output("y_f32")).norm().item<float>() / golden.Output(
                "y_f32").norm().item<float>() + 1e-4,
            "error against float32, limit = the official layer's");
    }

    private static void CheckQuantization(GoldenCase golden, Tensor matrix, string name)
    {
        (Tensor values, Tensor scales) = BlockInt8.Quantize(matrix);
        Comparison.Elementwise(golden.Output(name + "_scale"), scales, 1e-6, 0, name + "_scale");
        Tensor expected = golden.Output(name + "_int8");
        double mismatch = values.ne(expected).to_type(ScalarType.Float32).mean().item<float>();
        Assert.True(mismatch <= golden.Tolerance.GetProperty("quant_mismatch").GetDouble(),
            $"{name}_int8: {mismatch:P3} of the values differ");
        Comparison.Elementwise(expected, values, 0, 1, name + "_int8");
    }
}

internal static class AttentionGoldens
{
    /// <summary>The operator of a case, its share and its blocks.</summary>
    public static AttentionOptions Options(GoldenCase golden)
    {
        double ratio = golden.Config.GetProperty("topk_ratio").GetDouble();
        int queryBlock = golden.Config.GetProperty("block_q").GetInt32(), keyBlock = golden.Config.GetProperty("block_k").GetInt32();
        return golden.Kind == "sagesla" ? AttentionOptions.SageSla(ratio, queryBlock, keyBlock)
            : AttentionOptions.Sla(ratio, queryBlock, keyBlock);
    }

    public static void LoadProjection(SparseLinearAttention attention, GoldenCase golden)
    {
        using (no_grad())
        {
            attention.Projection.Weight.copy_(golden.Input("proj_l.weight"));
            attention.Projection.Bias!.copy_(golden.Input("proj_l.bias"));
        }
    }

    /// <summary>Compares the kept blocks with the golden map of zeros and ones; returns them.</summary>
    public static Tensor CheckBlockMap(GoldenCase golden, Tensor q, Tensor k, AttentionOptions options)
    {
        Tensor map = golden.Output("block_map");
        Assert.Equal(golden.Config.GetProperty("topk").GetInt32(), options.KeptBlocks((int)map.shape[3]));
        Tensor kept = BlockSelection.Select(q.detach(), k.detach(), options);
        Comparison.Exact(map, zeros_like(map).scatter(-1, kept, ones_like(kept, ScalarType.Int8)), "block_map");
        return kept;
    }
}
