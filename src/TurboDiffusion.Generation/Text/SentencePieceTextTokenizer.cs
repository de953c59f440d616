using TurboDiffusion.Models;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Generation.Text;

/// <summary>
/// The umT5 tokenizer: cleans a prompt as the official code does, then splits it by a SentencePiece model file.
/// Gives the ids of Google's SentencePiece. Safe for concurrent use.
/// </summary>
/// <remarks>thu-ml/TurboDiffusion aaecff5, turbodiffusion/rcm/utils/umt5.py, <c>HuggingfaceTokenizer</c>.</remarks>
public sealed class SentencePieceTextTokenizer : ITokenizer
{
    private readonly SentencePieceModel _model;
    private readonly SentencePieceNormalizer _normalizer;
    private readonly UnigramSegmenter _segmenter;

    private SentencePieceTextTokenizer(SentencePieceModel model, int maxLength)
    {
        _model = model;
        _normalizer = new SentencePieceNormalizer(model);
        _segmenter = new UnigramSegmenter(model);
        MaxLength = maxLength;
    }

    /// <inheritdoc/>
    public int VocabularySize => _model.Pieces.Count;

    /// <inheritdoc/>
    public int MaxLength { get; }

    /// <summary>Opens a SentencePiece model file (<c>spiece.model</c> of google/umt5-xxl).</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxLength">The number of ids of every prompt, in tokens.</param>
    /// <exception cref="CheckpointException">The file is missing, broken, or not a unigram SentencePiece model.</exception>
    public static SentencePieceTextTokenizer Open(string path, int maxLength = ModelSpec.WanTextLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 1);
        return new SentencePieceTextTokenizer(SentencePieceModel.Read(path), maxLength);
    }

    /// <inheritdoc/>
    public TokenizedPrompt Encode(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        string text = TextCleaner.Clean(prompt);
        List<int> pieces = _segmenter.Encode(_normalizer.Normalize(text));
        int length = Math.Min(pieces.Count, MaxLength - 1) + 1;
        var ids = new long[MaxLength];
        Array.Fill(ids, _model.PadId);
        for (int i = 0; i < length - 1; i++) ids[i] = pieces[i];
        ids[length - 1] = _model.EndId;
        return new TokenizedPrompt(text, ids, length) { Dropped = pieces.Count - (length - 1) };
    }

    /// <summary>
    /// The words of a prompt that have no token of their own: in the vocabulary of a small language, those that it can only spell.
    /// </summary>
    /// <param name="prompt">The text.</param>
    /// <returns>Each once, without punctuation around it, in the order of the text.</returns>
    public IReadOnlyList<string> UnknownWords(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return [.. TextCleaner.Clean(prompt).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
            .Select(word => new string([.. word.SkipWhile(char.IsPunctuation).Reverse().SkipWhile(char.IsPunctuation).Reverse()]))
            .Where(word => word.Length > 0 && _segmenter.Encode(_normalizer.Normalize(word)).Count > 1).Distinct()];
    }
}
