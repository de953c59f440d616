using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>The embeddings of a batch of prompts.</summary>
/// <param name="Prompts"><c>[B, S, text dim]</c>.</param>
/// <param name="Negative">With guidance, the negative prompt of all of them, <c>[1, S, text dim]</c>.</param>
public readonly record struct PromptEmbeddings(Tensor Prompts, Tensor? Negative)
{
    /// <summary>One of the batch, as a view.</summary>
    /// <param name="prompt">Which, from 0.</param>
    public PromptEmbeddings Only(int prompt) => this with { Prompts = Prompts.narrow(0, prompt, 1) };
}
