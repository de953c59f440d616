using static TorchSharp.torch;

namespace TurboDiffusion.Models.TinyVae;

/// <summary>
/// A layer of the tiny autoencoder, <c>[B, T, C, H, W] → [B, T', C', H', W']</c>. With a memory, the input is the next chunk of a clip;
/// without one it is the whole clip. Both give the same frames.
/// </summary>
internal abstract class TinyLayer() : nn.Module<Tensor, FrameMemory?, Tensor>(nameof(TinyLayer))
{
    /// <summary>Something done to the frames of all clips at once, <c>[B·T, C, H, W]</c>.</summary>
    protected static Tensor OfFrames(Tensor input, Func<Tensor, Tensor> run)
    {
        using var scope = NewDisposeScope();
        Tensor output = run(input.flatten(0, 1));
        return output.reshape([input.size(0), -1, .. output.shape[1..]]).MoveToOuterDisposeScope();
    }
}
