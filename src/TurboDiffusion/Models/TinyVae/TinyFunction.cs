using static TorchSharp.torch;

namespace TurboDiffusion.Models.TinyVae;

/// <summary>A layer without weights that sees each frame by itself.</summary>
internal sealed class TinyFunction(Func<Tensor, Tensor> run) : TinyLayer
{
    /// <summary>max(x, 0).</summary>
    public static TinyFunction Relu() => new(x => x.relu());

    /// <summary>3·tanh(x / 3): latents far out do no harm.</summary>
    public static TinyFunction Clamp() => new(x => (x / 3).tanh() * 3);

    /// <summary>Each pixel twice in both directions.</summary>
    public static TinyFunction Upsample() => new(x => nn.functional.interpolate(x, scale_factor: [2, 2], mode: InterpolationMode.Nearest));

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, FrameMemory? memory) => OfFrames(input, run);
}
