using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Pipelines;

/// <summary>
/// The embeddings of the last prompts, so that a prompt that comes again needs no text encoder. Owns them; bounded in bytes.
/// </summary>
/// <param name="mostBytes">The most that it holds, the newest aside.</param>
internal sealed class EmbeddingCache(long mostBytes) : IDisposable
{
    /// <summary>Of umT5-xxl in bfloat16, 16 prompts of 512 tokens.</summary>
    public const long UsualBytes = 64L << 20;

    // From the one that was asked for least lately to the one that was last.
    private readonly OrderedDictionary<(string Prompt, string? Negative), PromptEmbeddings> _embeddings = [];

    /// <summary>How many prompts it holds.</summary>
    public int Count => _embeddings.Count;

    /// <summary>The embeddings of a prompt; null where it does not hold them. They stay the cache's.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="negative">With guidance, the negative prompt.</param>
    public PromptEmbeddings? Find(string prompt, string? negative)
    {
        if (!_embeddings.Remove((prompt, negative), out PromptEmbeddings found)) return null;
        _embeddings.Add((prompt, negative), found);
        return found;
    }

    /// <summary>Takes the embeddings of a prompt over, and frees the oldest ones if they are too many.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="negative">With guidance, the negative prompt.</param>
    /// <param name="embeddings">They are the cache's from now on.</param>
    public void Add(string prompt, string? negative, PromptEmbeddings embeddings)
    {
        embeddings.Prompts.DetachFromDisposeScope();
        embeddings.Negative?.DetachFromDisposeScope();
        _embeddings.Add((prompt, negative), embeddings);
        while (_embeddings.Count > 1 && _embeddings.Values.Sum(Bytes) > mostBytes)
        {
            Free(_embeddings.GetAt(0).Value);
            _embeddings.RemoveAt(0);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PromptEmbeddings embeddings in _embeddings.Values) Free(embeddings);
        _embeddings.Clear();
    }

    private static long Bytes(PromptEmbeddings embeddings) =>
        Bytes(embeddings.Prompts) + (embeddings.Negative is { } negative ? Bytes(negative) : 0);

    private static long Bytes(torch.Tensor tensor) => tensor.numel() * ScalarTypes.Bytes(tensor.dtype);

    private static void Free(PromptEmbeddings embeddings)
    {
        embeddings.Prompts.Dispose();
        embeddings.Negative?.Dispose();
    }
}
