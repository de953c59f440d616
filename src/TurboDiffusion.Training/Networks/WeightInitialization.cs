using TorchSharp.Modules;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Networks;

/// <summary>
/// Weights to begin training from nothing, by the rules of the official code. A seed gives the same weights on every device.
/// </summary>
public static class WeightInitialization
{
    /// <summary>
    /// Initialises a Wan transformer: it predicts zero, and its linear attention branch adds nothing. The embeddings of text
    /// and time begin wider than the official 0.02 where the model is small, so that they are heard from the start.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="random">The source of every draw.</param>
    /// <remarks>thu-ml/TurboDiffusion at aaecff5, <c>rcm/networks/wan2pt1.py</c>, <c>init_weights</c>.</remarks>
    public static void Initialize(WanModel model, IRandomSource random)
    {
        foreach ((string name, Parameter parameter) in model.named_parameters())
        {
            if (name.EndsWith("modulation", StringComparison.Ordinal)) Normal(parameter, 1 / Math.Sqrt(parameter.size(-1)), random);
            else if (name.StartsWith("head.head.", StringComparison.Ordinal) || name.Contains(".proj_l.", StringComparison.Ordinal)
                || name == "img_emb.emb_pos")
                Fill(parameter, 0);
            else if (parameter.dim() == 1) Fill(parameter, name.EndsWith("weight", StringComparison.Ordinal) ? 1 : 0);
            else if (name.StartsWith("text_embedding.", StringComparison.Ordinal)
                || name.StartsWith("time_embedding.", StringComparison.Ordinal))
                Normal(parameter, Math.Max(0.02, 1 / Math.Sqrt(parameter.size(1))), random);
            else Uniform(parameter, Math.Sqrt(6.0 / (parameter.size(0) + parameter.size(1))), random);
        }
    }

    /// <summary>Initialises a VAE: it begins as a blurred copy of the video.</summary>
    /// <param name="vae">The network.</param>
    /// <param name="random">The source of every draw.</param>
    public static void Initialize(WanVae vae, IRandomSource random) => VaeInitialization.Initialize(vae, random);

    /// <summary>Initialises a text encoder: every matrix keeps the scale of what it maps.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="random">The source of every draw.</param>
    /// <remarks>thu-ml/TurboDiffusion at aaecff5, <c>turbodiffusion/rcm/utils/umt5.py</c>, <c>init_weights</c>.</remarks>
    public static void Initialize(UMT5Encoder encoder, IRandomSource random)
    {
        UMT5Config config = encoder.Config;
        foreach ((string name, Parameter parameter) in encoder.named_parameters())
        {
            double deviation = name switch
            {
                _ when name.StartsWith("token_embedding.", StringComparison.Ordinal) => 1,
                _ when name.EndsWith("attn.q.weight", StringComparison.Ordinal) => 1 / Math.Sqrt(config.Dim * (double)config.HeadDim),
                _ when name.EndsWith("attn.o.weight", StringComparison.Ordinal) => 1 / Math.Sqrt(config.DimAttn),
                _ when name.EndsWith("ffn.fc2.weight", StringComparison.Ordinal) => 1 / Math.Sqrt(config.DimFfn),
                _ when name.Contains("pos_embedding", StringComparison.Ordinal) => 1 / Math.Sqrt(2.0 * config.NumBuckets * config.NumHeads),
                _ => 1 / Math.Sqrt(config.Dim),
            };
            if (parameter.dim() == 1) Fill(parameter, 1);
            else Normal(parameter, deviation, random);
        }
    }

    private static void Fill(Parameter parameter, double value)
    {
        using var noGrad = no_grad();
        parameter.fill_(value);
    }

    private static void Normal(Parameter parameter, double deviation, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        parameter.copy_(random.Normal(parameter.shape) * deviation);
    }

    private static void Uniform(Parameter parameter, double bound, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        parameter.copy_((random.Uniform(parameter.shape) * 2 - 1) * bound);
    }
}
