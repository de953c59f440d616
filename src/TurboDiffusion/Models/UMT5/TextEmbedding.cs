using static TorchSharp.torch;

namespace TurboDiffusion.Models.UMT5;

/// <summary>From hidden states to the embedding that the diffusion model takes: fixed length, zero past the text.</summary>
internal static class TextEmbedding
{
    /// <summary>Sets the rows past each text's length to zero.</summary>
    /// <param name="hidden"><c>[B, L, dim]</c>.</param>
    /// <param name="mask">1 for each token, then 0, <c>[B, L]</c>.</param>
    /// <returns>A new tensor, <c>[B, L, dim]</c>.</returns>
    public static Tensor ZeroPastEnd(Tensor hidden, Tensor mask)
    {
        using var scope = NewDisposeScope();
        Tensor present = mask.to(hidden.device).gt(0).unsqueeze(-1);
        return where(present, hidden, zeros_like(hidden)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Computes hidden states for the longest text's length only, and pads with zero rows to the length of
    /// <paramref name="ids"/>. Padded keys are masked, so leaving them out changes no value of a token.
    /// </summary>
    public static Tensor Compute(Tensor ids, Tensor mask, Func<Tensor, Tensor, Tensor> encode)
    {
        Check(ids, mask);
        using var scope = NewDisposeScope();
        long length = Math.Max(1, mask.gt(0).sum(1).max().item<long>());
        Tensor shortMask = mask.narrow(1, 0, length);
        Tensor embedding = ZeroPastEnd(encode(ids.narrow(1, 0, length), shortMask), shortMask);
        return nn.functional.pad(embedding, [0, 0, 0, ids.size(1) - length]).MoveToOuterDisposeScope();
    }

    /// <summary>Refuses ids and masks that are not both <c>[B, L]</c>.</summary>
    public static void Check(Tensor ids, Tensor mask)
    {
        if (ids.dim() != 2 || ids.numel() == 0 || ids.dtype != ScalarType.Int64 || !ids.shape.SequenceEqual(mask.shape))
            throw new ArgumentException(
                $"Token ids are {ids.dtype} [{string.Join(", ", ids.shape)}] with a mask of [{string.Join(", ", mask.shape)}]; expected "
                    + "Int64 [B, L] and the same shape.",
                nameof(ids));
    }
}
