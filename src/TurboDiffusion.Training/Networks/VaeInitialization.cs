using TorchSharp.Modules;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Networks;

/// <summary>
/// Weights for a VAE to begin training from nothing. Residual branches add nothing, and a few channels carry the picture
/// through the whole network: averaged on the way down, interpolated on the way up. It begins as a blurred copy of the video
/// instead of having to find out what colour is, which from random weights takes most of a short training.
/// </summary>
/// <remarks>
/// Zero residual branches: arXiv 1901.09321. The norm before each head divides by the length of a position's channels; a
/// constant channel keeps that length nearly constant. A colour travels as a pair of opposite channels, because
/// SiLU(x) − SiLU(−x) = x.
/// </remarks>
internal static class VaeInitialization
{
    private const int Colors = 3, Carriers = 2 * Colors + 1, Constant = 2 * Colors;
    private const float ConstantValue = 3;

    // Of a latent relative to a colour in [-1, 1], so that latents begin with a deviation near one.
    private const float LatentGain = 1.5f;

    // Of the posterior, in normalised latents.
    private const float LogVariance = -5;

    // How much of a random convolution remains beside the identity in the channels that carry no picture.
    private const double RandomShare = 0.5;

    /// <summary>Initialises a VAE.</summary>
    /// <param name="vae">The network, of width 7 or more for the picture to be carried.</param>
    /// <param name="random">The source of every draw.</param>
    public static void Initialize(WanVae vae, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Dictionary<string, Parameter> parameters = vae.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        double bound = 0;
        foreach ((string name, Parameter parameter) in parameters)
        {
            if (name.EndsWith("gamma", StringComparison.Ordinal)) parameter.fill_(1);
            else if (name.EndsWith(".proj.weight", StringComparison.Ordinal) || name.Contains(".residual.6.", StringComparison.Ordinal))
                parameter.fill_(0);
            else
            {
                // A bias follows its weight and has the same bound: the default of PyTorch's convolutions.
                if (parameter.dim() > 1) bound = 1 / Math.Sqrt(parameter.shape[1..].Aggregate(1L, (a, b) => a * b));
                parameter.copy_((random.Uniform(parameter.shape) * 2 - 1) * bound);
            }
        }
        if (vae.Config.Dim < Carriers) return;

        foreach ((string name, Parameter parameter) in parameters)
        {
            float[]? kernel = name switch
            {
                _ when name.EndsWith("shortcut.weight", StringComparison.Ordinal) => [1],
                // Two by two pixels to one; three frames to the mean of the later two.
                _ when name.StartsWith("encoder.", StringComparison.Ordinal)
                    && name.EndsWith("resample.1.weight", StringComparison.Ordinal) =>
                    [0.25f, 0.25f, 0, 0.25f, 0.25f, 0, 0, 0, 0],
                _ when name.StartsWith("encoder.", StringComparison.Ordinal)
                    && name.EndsWith("time_conv.weight", StringComparison.Ordinal) => [0, 0.5f, 0.5f],
                // Repeated pixels become interpolated ones; a frame becomes two.
                _ when name.EndsWith("resample.1.weight", StringComparison.Ordinal) =>
                    [1 / 16f, 2 / 16f, 1 / 16f, 2 / 16f, 4 / 16f, 2 / 16f, 1 / 16f, 2 / 16f, 1 / 16f],
                _ when name.EndsWith("time_conv.weight", StringComparison.Ordinal) => [0, 0, 1],
                _ => null,
            };
            if (kernel is null) continue;
            PassOn(parameter, parameters[name[..^"weight".Length] + "bias"], kernel);
        }
        SetEnds(vae.Config, parameters);
    }

    // The two ends of both halves, where colours become carriers and carriers latents, and back.
    private static void SetEnds(VaeConfig config, Dictionary<string, Parameter> parameters)
    {
        Carry(parameters["encoder.conv1.weight"], parameters["encoder.conv1.bias"], [1, 1, 1], [0, 0, 0]);
        Identity("conv1");
        Identity("conv2");

        (Parameter weight, Parameter bias) = (parameters["encoder.head.2.weight"], parameters["encoder.head.2.bias"]);
        weight.narrow(0, 0, Colors).fill_(0);
        weight.narrow(0, config.ZDim, config.ZDim).fill_(0);
        // What the norm makes of a colour: √channels over the usual length of a position's channels.
        float length = MathF.Sqrt(ConstantValue * ConstantValue + Colors), normed = MathF.Sqrt(weight.size(1)) / length;
        for (int z = 0; z < config.ZDim; z++)
        {
            bias[z].fill_(config.LatentMean[z]);
            bias[config.ZDim + z].fill_(LogVariance + 2 * MathF.Log(config.LatentStd[z]));
            if (z >= Colors) continue;
            Center(weight, z, z).fill_(config.LatentStd[z] * LatentGain / normed);
            Center(weight, z, z + Colors).fill_(-config.LatentStd[z] * LatentGain / normed);
        }

        float[] gains = [.. Enumerable.Range(0, Colors).Select(z => 1 / (config.LatentStd[z] * LatentGain))];
        Carry(parameters["decoder.conv1.weight"], parameters["decoder.conv1.bias"], gains,
            [.. gains.Select((g, z) => -g * config.LatentMean[z])]);

        (weight, bias) = (parameters["decoder.head.2.weight"], parameters["decoder.head.2.bias"]);
        weight.fill_(0);
        bias.fill_(0);
        normed = MathF.Sqrt(weight.size(1)) / length;
        for (int c = 0; c < Colors; c++)
        {
            Center(weight, c, c).fill_(1 / normed);
            Center(weight, c, c + Colors).fill_(-1 / normed);
        }

        void Identity(string name)
        {
            Parameter matrix = parameters[name + ".weight"];
            matrix.fill_(0);
            for (int c = 0; c < matrix.size(0); c++) matrix[c, c].fill_(1);
            parameters[name + ".bias"].fill_(0);
        }
    }

    // The first channels become the carriers: colours, their opposites, the constant.
    private static void Carry(Parameter weight, Parameter bias, float[] gains, float[] offsets)
    {
        weight.narrow(0, 0, Carriers).fill_(0);
        for (int c = 0; c < Colors; c++)
        {
            Center(weight, c, c).fill_(gains[c]);
            Center(weight, c + Colors, c).fill_(-gains[c]);
            bias[c].fill_(offsets[c]);
            bias[c + Colors].fill_(-offsets[c]);
        }
        bias[Constant].fill_(ConstantValue);
    }

    // Every channel goes on to the channel of the same number; of a convolution that doubles frames, to both of its halves.
    private static void PassOn(Parameter weight, Parameter bias, float[] kernel)
    {
        long inputs = weight.size(1);
        Tensor taps = tensor(kernel).to(weight.device).to_type(weight.dtype).view(weight.shape[2..]);
        for (long row = 0; row < weight.size(0); row++)
        {
            long channel = weight.size(0) == 2 * inputs && kernel.Length == 3 ? row % inputs : row;
            if (channel >= inputs) continue;
            weight[row].mul_(channel < Carriers ? 0 : RandomShare);
            weight[row, channel].add_(taps);
            if (channel < Carriers) bias[row].fill_(0);
        }
    }

    // Of a causal kernel of three frames: the present one, the middle of the picture.
    private static Tensor Center(Parameter weight, int output, int input) => weight[output, input, ^1, 1, 1];
}
