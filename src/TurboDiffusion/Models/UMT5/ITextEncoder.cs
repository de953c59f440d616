using static TorchSharp.torch;

namespace TurboDiffusion.Models.UMT5;

/// <summary>Turns token ids into the text embedding that conditions the diffusion model.</summary>
public interface ITextEncoder : IDisposable
{
    /// <summary>The sizes; the tokenizer's vocabulary must fit into <see cref="UMT5Config.Vocab"/>, and the diffusion
    /// model's text width must be <see cref="UMT5Config.Dim"/>.</summary>
    UMT5Config Config { get; }

    /// <summary>Computes the embedding. Only as many positions as the longest text has are computed.</summary>
    /// <param name="ids">Token ids, int64 <c>[B, L]</c>, 0 past the end of each text.</param>
    /// <param name="mask">1 for each token, then 0 past the end, int64 <c>[B, L]</c>.</param>
    /// <param name="cancellationToken">Checked before each block.</param>
    /// <returns><c>[B, L, dim]</c> in the dtype and on the device of the encoder; rows past the end of a text are zero.</returns>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    Tensor Encode(Tensor ids, Tensor mask, CancellationToken cancellationToken = default);
}
