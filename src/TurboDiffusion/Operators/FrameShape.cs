using static TorchSharp.torch;

namespace TurboDiffusion.Operators;

/// <summary>What the operators of a level of the VAE's decoder are given: a chunk of frames.</summary>
/// <param name="Frames">Frames of the chunk.</param>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
/// <param name="Channels">Channels of the level.</param>
/// <param name="EnlargedFrom">Channels of the coarser frames that are enlarged to it.</param>
/// <param name="EnlargedTo">Channels that they are enlarged to.</param>
/// <param name="Pixel">Channels of the frames that the decoder gives.</param>
/// <param name="Dtype">The element type.</param>
public readonly record struct FrameShape(
    long Frames, long Height, long Width, long Channels, long EnlargedFrom, long EnlargedTo, long Pixel, ScalarType Dtype);
