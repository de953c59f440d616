using static TorchSharp.torch;

namespace TurboDiffusion.Operators;

/// <summary>What the operators of a transformer's block are given.</summary>
/// <param name="Tokens">Tokens of the video.</param>
/// <param name="Dim">Width of the hidden state.</param>
/// <param name="FfnDim">Width of the feed-forward layer.</param>
/// <param name="Heads">Attention heads.</param>
/// <param name="Dtype">The element type of the hidden state.</param>
public readonly record struct BlockShape(long Tokens, long Dim, long FfnDim, long Heads, ScalarType Dtype)
{
    /// <summary>Channels of a head.</summary>
    public long HeadDim => Dim / Heads;
}
