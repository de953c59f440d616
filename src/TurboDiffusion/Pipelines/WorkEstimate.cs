using TorchSharp;
using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;

namespace TurboDiffusion.Pipelines;

/// <summary>
/// About how much work the stages of a generation are, so that its progress can be told as one number. The unit is a floating-point
/// operation of a matrix product; what runs slower than one counts for more.
/// </summary>
internal static class WorkEstimate
{
    // The VAE's convolutions have few channels: with the embedded model on a CPU they ran at two thirds of the transformer's rate.
    private const double ConvolutionCost = 1.5;

    // Reading one weight. The embedded model's 11.5 million took 0.085 s on a CPU that did 23 GFLOP/s.
    private const double CpuLoadCost = 170;

    // A GPU computes about a thousand times as fast, and its weights come from the same files.
    private const double GpuLoadCost = 1000 * CpuLoadCost;

    /// <summary>Reading a model's weights.</summary>
    /// <param name="parameters">How many.</param>
    /// <param name="device">Where they go.</param>
    public static double Loading(double parameters, torch.Device device) =>
        parameters * (device.type == DeviceType.CPU ? CpuLoadCost : GpuLoadCost);

    /// <summary>Encoding prompts.</summary>
    /// <param name="config">The text encoder.</param>
    /// <param name="tokens">Tokens of all prompts, padding included.</param>
    public static double EncodingText(UMT5Config config, long tokens) =>
        2 * tokens * (Parameters(config) - (double)config.Vocab * config.Dim);

    /// <summary>Encoding one image for the image branch.</summary>
    /// <param name="config">The image encoder.</param>
    public static double EncodingImage(ClipConfig config) =>
        2 * config.Tokens * Parameters(config) + 4.0 * config.NumLayers * config.Tokens * config.Tokens * config.Dim;

    /// <summary>One call of the transformer with dense attention.</summary>
    /// <param name="config">The transformer.</param>
    /// <param name="tokens">Video tokens.</param>
    public static double Denoising(WanConfig config, long tokens) =>
        2 * tokens * Parameters(config) + 4.0 * config.NumLayers * tokens * tokens * config.Dim;

    /// <summary>Encoding or decoding one frame at full resolution.</summary>
    /// <param name="config">The VAE.</param>
    /// <param name="width">Pixels.</param>
    /// <param name="height">Pixels.</param>
    /// <param name="blocks">Residual blocks per level: those of the encoder, or one more for the decoder.</param>
    public static double Frame(VaeConfig config, int width, int height, int blocks)
    {
        double operations = 0, pixels = (double)width * height / (config.PatchSize * config.PatchSize);
        for (int level = 0; level < config.DimMult.Count; level++)
        {
            double channels = (double)config.Dim * config.DimMult[level];
            operations += 2 * blocks * Convolution(channels) * 2 * pixels;
            if (level < config.TemporalDownsample.Count) pixels /= config.TemporalDownsample[level] ? 8 : 4;
        }
        return ConvolutionCost * operations;
    }

    /// <summary>Weights of a transformer, without its small embeddings.</summary>
    /// <param name="config">The transformer.</param>
    public static double Parameters(WanConfig config) =>
        config.NumLayers * (8.0 * config.Dim * config.Dim + 2.0 * config.Dim * config.FfnDim);

    /// <summary>Weights of a text encoder.</summary>
    /// <param name="config">The text encoder.</param>
    public static double Parameters(UMT5Config config) =>
        (double)config.Vocab * config.Dim + config.NumLayers * (4.0 * config.Dim * config.DimAttn + 3.0 * config.Dim * config.DimFfn);

    /// <summary>Weights of an image encoder's blocks.</summary>
    /// <param name="config">The image encoder.</param>
    public static double Parameters(ClipConfig config) =>
        config.NumLayers * (4.0 * config.Dim * config.Dim + 2.0 * config.Dim * config.HiddenDim);

    /// <summary>Weights of a VAE's residual blocks, encoder and decoder.</summary>
    /// <param name="config">The VAE.</param>
    public static double Parameters(VaeConfig config) =>
        config.DimMult.Sum(m => 2 * (2 * config.NumResBlocks + 1) * Convolution((double)config.Dim * m));

    // Weights of a causal 3×3×3 convolution.
    private static double Convolution(double channels) => 27 * channels * channels;
}
