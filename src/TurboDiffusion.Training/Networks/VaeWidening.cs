using TorchSharp.Modules;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Networks;

/// <summary>
/// Gives a VAE more channels that change nothing at first: what reads a new channel begins at random, what writes it at zero, so that
/// every new channel is zero, and learns from its first gradient on. A VAE that is too narrow need not begin anew, and one whose encoder
/// stays keeps its latents.
/// </summary>
/// <remarks>After arXiv 1511.05641 (Net2Net), with new channels in place of copies.</remarks>
public static class VaeWidening
{
    /// <summary>Sets all weights of a wider VAE to those of a narrower one, and to new channels of no effect.</summary>
    /// <param name="narrow">The VAE to continue.</param>
    /// <param name="wide">Of the same architecture, in no layer narrower; its weights are overwritten.</param>
    /// <param name="random">The source of every draw.</param>
    /// <exception cref="InvalidRequestException">The second is not a wider form of the first.</exception>
    public static void Widen(WanVae narrow, WanVae wide, IRandomSource random)
    {
        Check(narrow.Config, wide.Config);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Dictionary<string, Parameter> from = narrow.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        foreach ((string name, Parameter parameter) in wide.named_parameters())
        {
            using var each = NewDisposeScope();
            Tensor old = from[name].to(parameter.device).to_type(parameter.dtype);
            int groups = Groups(name, parameter.size(0));
            if (name.EndsWith("gamma", StringComparison.Ordinal))
            {
                // x / ‖x‖ · √C: the length is that of the old channels, the factor that of all.
                parameter.fill_(1);
                parameter.narrow(0, 0, old.size(0)).copy_(old * Math.Sqrt((double)old.size(0) / parameter.size(0)));
                continue;
            }
            parameter.fill_(0);
            Tensor rows = parameter.view([groups, parameter.size(0) / groups, .. parameter.shape[1..]]),
                oldRows = old.view([groups, old.size(0) / groups, .. old.shape[1..]]);
            Tensor kept = rows.narrow(1, 0, oldRows.size(1));
            if (parameter.dim() > 1)
            {
                // The default bound of PyTorch's convolutions.
                double bound = 1 / Math.Sqrt(parameter.shape[1..].Aggregate(1L, (a, b) => a * b));
                kept.copy_((random.Uniform(kept.shape) * 2 - 1) * bound);
                kept = kept.narrow(2, 0, oldRows.size(2));
            }
            kept.copy_(oldRows);
            if (groups == 3) WidenScores(rows, oldRows.size(1), random);
        }
    }

    // Scores are divided by √C; of new queries and keys, one has to be other than zero for the other to learn.
    private static void WidenScores(Tensor rows, long old, IRandomSource random)
    {
        rows[0].mul_(Math.Sqrt((double)rows.size(1) / old));
        if (rows.dim() == 2 || rows.size(1) == old) return;
        Tensor keys = rows[1].narrow(0, old, rows.size(1) - old);
        keys.copy_((random.Uniform(keys.shape) * 2 - 1) / Math.Sqrt(keys.size(1)));
    }

    // Outputs that are several layers in one, each with all channels: queries, keys and values; the two frames made of one.
    private static int Groups(string name, long outputs) => name switch
    {
        _ when name.Contains(".to_qkv.", StringComparison.Ordinal) => 3,
        _ when name.StartsWith("decoder.", StringComparison.Ordinal) && name.Contains(".time_conv.", StringComparison.Ordinal)
            && outputs % 2 == 0 => 2,
        _ => 1,
    };

    private static void Check(VaeConfig narrow, VaeConfig wide)
    {
        VaeConfig widened = narrow.OfWidths(wide.Dim, wide.DecoderDim);
        if (!widened.Equals(wide) || wide.Dim < narrow.Dim || wide.DecoderDim < narrow.DecoderDim)
            throw new InvalidRequestException("width", $"A {narrow} cannot be widened to a {wide}; channels can only be added, "
                + "to the encoder, the decoder or both.");
        if (narrow.HasShortcuts)
            throw new InvalidRequestException("width",
                $"A {narrow} repeats and averages channels beside its levels (Wan 2.2) and cannot be widened; widen one of Wan 2.1.");
    }
}
