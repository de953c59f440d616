using TorchSharp.Modules;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Networks;

/// <summary>Weights to begin training from nothing, by the rules of the official code. A seed gives the same weights on every device.</summary>
public static class WeightInitialization
{
    /// <summary>Initialises a Wan transformer: it predicts zero, and its linear attention branch adds nothing.</summary>
    /// <param name="model">The model.</param>
    /// <param name="random">The source of every draw.</param>
    /// <remarks>thu-ml/TurboDiffusion at aaecff5, <c>rcm/networks/wan2pt1.py</c>, <c>init_weights</c>.</remarks>
    public static void Initialize(WanModel model, IRandomSource random)
    {
        foreach ((string name, Parameter parameter) in model.named_parameters())
        {
            if (name.EndsWith("modulation", StringComparison.Ordinal)) Normal(parameter, 1 / Math.Sqrt(parameter.shape[^1]), random);
            else if (name.StartsWith("head.head.", StringComparison.Ordinal) || name.Contains(".proj_l.", StringComparison.Ordinal)) Fill(parameter, 0);
            else if (parameter.dim() == 1) Fill(parameter, name.EndsWith("weight", StringComparison.Ordinal) ? 1 : 0);
            else if (name.StartsWith("text_embedding.", StringComparison.Ordinal) || name.StartsWith("time_embedding.", StringComparison.Ordinal))
                Normal(parameter, 0.02, random);
            else Uniform(parameter, Math.Sqrt(6.0 / (parameter.shape[0] + parameter.shape[1])), random);
        }
    }

    /// <summary>Initialises a VAE: uniform convolutions of bound 1/√fan-in, unit norms, attention that adds nothing.</summary>
    /// <param name="vae">The network.</param>
    /// <param name="random">The source of every draw.</param>
    /// <remarks>The defaults of PyTorch's convolutions, which Wan-Video/Wan2.1, <c>wan/modules/vae.py</c>, keeps.</remarks>
    public static void Initialize(WanVae vae, IRandomSource random)
    {
        double bound = 0;
        foreach ((string name, Parameter parameter) in vae.named_parameters())
        {
            if (name.EndsWith("gamma", StringComparison.Ordinal))
            {
                Fill(parameter, 1);
                continue;
            }
            // A bias follows its weight and has the same bound.
            if (parameter.dim() > 1) bound = 1 / Math.Sqrt(parameter.shape[1..].Aggregate(1L, (a, b) => a * b));
            if (name.EndsWith(".proj.weight", StringComparison.Ordinal)) Fill(parameter, 0);
            else Uniform(parameter, bound, random);
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
