using TurboDiffusion.Models.UMT5;
using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>Prompts to the embeddings that transformers take.</summary>
public static class PromptEncoding
{
    /// <summary>Encodes prompts in one batch, so that a streamed encoder reads its checkpoint once.</summary>
    /// <param name="prompts">At least one.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="encoder">The text encoder that belongs to it.</param>
    /// <param name="device">Where the embeddings are wanted.</param>
    /// <param name="cancellationToken">Checked at each block.</param>
    /// <returns><c>[B, S, text dim]</c>, S being the tokenizer's length; zero past the end of each prompt.</returns>
    public static Tensor Encode(
        IEnumerable<string> prompts, ITokenizer tokenizer, ITextEncoder encoder, Device device,
        CancellationToken cancellationToken = default)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        TokenizedPrompt[] tokens = [.. prompts.Select(tokenizer.Encode)];
        Tensor ids = stack(tokens.Select(p => tensor(p.Ids.ToArray(), ScalarType.Int64)));
        Tensor mask = stack(tokens.Select(p => arange(p.Ids.Count, ScalarType.Int64).lt(p.Length).to_type(ScalarType.Int64)));
        return encoder.Encode(ids, mask, cancellationToken).to(device).MoveToOuterDisposeScope();
    }
}
